"""Runs one test's coroutine on the loop that users get, for a limited time."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

PATIENCE_S = 20.0
END_S = 5.0
"""Seconds that a cancelled task may take to end."""


def run(main: Callable[[], Coroutine[Any, Any, None]], patience_s: float = PATIENCE_S, end_s: float = END_S) -> None:
    """Run `main`. Raises `TimeoutError` after `patience_s`, and `RuntimeError` if what is cancelled then does not end.

    The limit of pytest is no substitute: it raises wherever the loop happens to be, often where the exception is ignored.
    """

    async def limited() -> None:
        loop = asyncio.get_running_loop()

        def stop() -> None:
            loop.stop()
            loop.call_later(end_s, stop)  # the runner starts the loop once more, to cancel what is left

        loop.call_later(patience_s + end_s, stop)
        async with asyncio.timeout(patience_s):
            await main()

    uvloop.run(limited())


async def turns(count: int = 5) -> None:
    """Let every task that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what happens in a thread or another process; `run` sets the limit."""
    while not condition():  # noqa: ASYNC110 - there is nothing to wait on
        await asyncio.sleep(0.005)
