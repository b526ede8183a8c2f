"""Tasks that are there as long as the process is: one that fails is logged, counted, and run again."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from broker.pacing.backoff import Backoff

log = logging.getLogger(__name__)

RESTART_FIRST_S: Final = 0.1
RESTART_MOST_S: Final = 5.0
STEADY_S: Final = 30.0
"""A task that ran so long before it failed begins again at `RESTART_FIRST_S`."""


class Supervisor:
    """Runs tasks again that fail; `restarted` is told of their names."""

    def __init__(self, restarted: Callable[[str], None] = lambda _name: None) -> None:
        self._restarted = restarted
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """The process ends: who waits to be run again is run at once, and what fails from now on is not run again."""
        self._stopping.set()

    async def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Await `run()`; where it raises an `Exception`, log that and run it anew after a growing wait.

        Returns once `run` does, or fails after `stop`. A cancellation passes.
        """
        backoff = Backoff(RESTART_FIRST_S, RESTART_MOST_S)
        loop = asyncio.get_running_loop()
        while True:
            begun_s = loop.time()
            try:
                await run()
            except Exception:
                log.exception("%s failed", name)
            else:
                return
            if self._stopping.is_set():
                return
            self._restarted(name)
            if loop.time() - begun_s > STEADY_S:
                backoff.reset()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff.next_s()):
                    await self._stopping.wait()
