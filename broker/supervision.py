"""Tasks that are there as long as the process is: one that fails is logged, counted, and run again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from broker.backoff import Backoff

log = logging.getLogger(__name__)

RESTART_FIRST_S: Final = 0.1
RESTART_MOST_S: Final = 5.0
STEADY_S: Final = 30.0
"""A task that ran so long before it failed begins again at `RESTART_FIRST_S`."""


class Supervisor:
    """Runs tasks again that fail; `restarted` is told of their names."""

    def __init__(self, restarted: Callable[[str], None] = lambda _name: None) -> None:
        self._restarted = restarted

    async def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Await `run()`; where it raises, log that and run it anew after a growing wait. Ends once it returns.

        What is not meant to be an error of the program, such as a cancellation, passes.
        """
        backoff = Backoff(RESTART_FIRST_S, RESTART_MOST_S)
        loop = asyncio.get_running_loop()
        while True:
            begun_s = loop.time()
            try:
                await run()
            except Exception:
                log.exception("%s failed; it is started again", name)
            else:
                return
            self._restarted(name)
            if loop.time() - begun_s > STEADY_S:
                backoff.reset()
            await asyncio.sleep(backoff.next_s())
