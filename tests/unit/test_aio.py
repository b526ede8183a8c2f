"""The limits of `run`: a test that hangs fails, whatever it does with being cancelled."""

import asyncio
import contextlib

import pytest

from tests.support.mqtt.aio import run


async def stubborn() -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


def test_what_takes_too_long_is_cancelled() -> None:
    async def main() -> None:
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        run(main, patience_s=0.05)


def test_what_cannot_be_cancelled_is_left_behind() -> None:
    with pytest.raises(RuntimeError, match="stopped before"):
        run(stubborn, patience_s=0.05, end_s=0.05)


def test_a_task_that_cannot_be_cancelled_is_left_behind() -> None:
    async def main() -> None:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        assert not task.done()

    with pytest.raises(RuntimeError, match="stopped before"):
        run(main, patience_s=0.05, end_s=0.05)
