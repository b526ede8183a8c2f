"""The event loop of a process, and the signals that end it."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final, TypeVar

if sys.platform != "win32":
    import uvloop

Result = TypeVar("Result")

SWITCH_INTERVAL_S: Final = 0.0005
"""Longest time for which the loop waits for the writer's thread after reading or writing a socket. Python's default of 5 ms
adds up to seconds if there are many sockets."""


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Run in an event loop of uvloop, or in asyncio's own on Windows; return what `main` returns."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    return asyncio.run(main) if sys.platform == "win32" else uvloop.run(main)


@contextlib.asynccontextmanager
async def stopped_by_signal() -> AsyncIterator[asyncio.Event]:
    """Yield an event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    if sys.platform == "win32":
        before = [signal.signal(number, lambda *_: loop.call_soon_threadsafe(stop.set)) for number in numbers]
        try:
            yield stop
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
    else:
        for number in numbers:
            loop.add_signal_handler(number, stop.set)
        try:
            yield stop
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)
