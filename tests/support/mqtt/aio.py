"""Runs one test's coroutine on the loop that users get, with an end to its patience."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import uvloop

PATIENCE_S = 20.0


def run(main: Callable[[], Coroutine[Any, Any, None]], patience_s: float = PATIENCE_S) -> None:
    async def limited() -> None:
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
