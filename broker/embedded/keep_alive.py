"""Keep-alive (MQTT 3.1.1, section 3.1.2.10): a client that is silent for too long is given up."""

import asyncio
from collections.abc import Callable
from typing import Final

GRACE: Final = 1.5
"""Times its keep-alive a client may be silent [MQTT-3.1.2-24]."""


class KeepAlive:
    """Timer of one connection.

    Args:
        deaf: tells if the connection is not read just now, so that the client cannot be heard.
        expired: called with the seconds of silence.
    """

    def __init__(self, deaf: Callable[[], bool], expired: Callable[[float], None]) -> None:
        self._deaf = deaf
        self._expired = expired
        self._loop = asyncio.get_running_loop()
        self._limit_s = 0.0
        self._heard_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, keep_alive_s: int) -> None:
        """Begin with the keep-alive of the CONNECT; 0: the client may be silent for ever."""
        self._limit_s = GRACE * keep_alive_s
        if keep_alive_s:
            self._timer = self._loop.call_later(self._limit_s, self._check)

    def heard(self) -> None:
        """Note that a control packet has come."""
        self._heard_s = self._loop.time()

    def cancel(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _check(self) -> None:
        silent_s = self._loop.time() - self._heard_s
        if self._deaf():
            self._timer = self._loop.call_later(self._limit_s, self._check)
        elif silent_s < self._limit_s:
            self._timer = self._loop.call_later(self._limit_s - silent_s, self._check)
        else:
            self._expired(silent_s)
