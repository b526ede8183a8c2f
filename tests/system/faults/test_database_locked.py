"""Another process holds the database: nothing is acknowledged meanwhile, memory is bounded, and nothing is lost."""

import asyncio
from pathlib import Path

import pytest

from tests.support.databases import locked
from tests.support.harness import wait_until
from tests.support.mqtt.aio import until
from tests.system.faults.report import Report
from tests.system.faults.scene import Up
from tests.system.faults.waiting import MOST_MB, ready

DEVICES = 50
SHORT_S, LONG_S = 7, 60
LONG_FROM = 5
"""Runs; the lock is held for long only where there is time."""
LOCKS = 3


@pytest.mark.timeout(600)
def test_nothing_is_acknowledged_while_the_database_is_locked(tmp_path: Path, runs: int, report: Report) -> None:
    seconds = SHORT_S if runs < LONG_FROM else LONG_S
    row = report.row(f"database locked {seconds} s", "beyond saturation")

    async def main(scene: Up) -> None:
        for _ in range(1 if runs < LONG_FROM else LOCKS):
            fleet = scene.fleet(DEVICES)
            publishing = asyncio.create_task(fleet.publish())
            await until(lambda: len(fleet.acknowledged) > 500)  # noqa: B023
            with locked(scene.folder / "record.db"):
                await asyncio.sleep(1)  # what had been committed is acknowledged by now
                before, resident_mb = fleet.acknowledged, scene.resident_mb("up")
                await asyncio.sleep(seconds)
                assert fleet.acknowledged == before
                status, body = await asyncio.to_thread(ready, scene.ready_url)
                assert (status, "database is locked" in body) == (503, True)
                assert scene.resident_mb("up") - resident_mb < MOST_MB
            # Who sends in vain gives up after a while: it connects and sends again, and that is no loss either.
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            await fleet.resend()
            assert (await asyncio.to_thread(ready, scene.ready_url))[0] == 200
            after = await asyncio.to_thread(scene.keys, fleet)
            row.add(fleet, before, after, after)
        assert (row.lost, row.doubled) == (0, 0)
        assert row.sent == row.stored > row.acknowledged > 0

    with Up(tmp_path) as scene:
        asyncio.run(main(scene))


def test_devices_that_wait_are_answered_by_themselves(tmp_path: Path) -> None:
    async def main(scene: Up) -> None:
        fleet = scene.fleet(10)
        with locked(scene.folder / "record.db"):
            publishing = asyncio.create_task(fleet.publish())
            await asyncio.to_thread(wait_until, lambda: fleet.sent >= 200)
            assert fleet.acknowledged == set()
        await asyncio.to_thread(wait_until, lambda: len(fleet.acknowledged) > 400)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)

    with Up(tmp_path) as scene:
        asyncio.run(main(scene))
