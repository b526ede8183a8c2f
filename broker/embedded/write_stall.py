"""A client that takes nothing of what waits for it is given up."""

import asyncio
from collections.abc import Callable

from broker.embedded.transport import Transport


class WriteStall:
    """Timer of one connection, which runs while more than `WRITE_AHEAD` bytes wait.

    Args:
        transport: tells how much waits.
        limit_s: seconds in which the client must take something.
        stalled: called if it takes nothing.
    """

    def __init__(self, transport: Transport, limit_s: float, stalled: Callable[[], None]) -> None:
        self._transport = transport
        self._limit_s = limit_s
        self._stalled = stalled
        self._loop = asyncio.get_running_loop()
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin: the client has stopped taking what is written."""
        self._unsent = self._transport.unsent()
        self._timer = self._loop.call_later(self._limit_s, self._check)

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        before, self._unsent = self._unsent, self._transport.unsent()
        if self._unsent < before:
            self._timer = self._loop.call_later(self._limit_s, self._check)
        else:
            self._stalled()
