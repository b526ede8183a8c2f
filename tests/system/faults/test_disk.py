"""A disk that is full, read-only or broken: nothing is acknowledged, health is red, and it recovers by itself."""

import asyncio
from pathlib import Path

import pytest

from tests.support.mqtt.aio import until
from tests.system.faults.disks import Broken, DiskFault, Full, ReadOnly
from tests.system.faults.report import Report
from tests.system.faults.scene import Up
from tests.system.faults.waiting import MOST_MB, health

DEVICES = 10
RUNS = 5
HELD_S = 2.0
"""Until health says what is wrong, and after it is right again until it says so."""


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", [Full, ReadOnly, Broken])
def test_nothing_is_acknowledged_that_is_not_on_the_disk(
    kind: type[DiskFault], tmp_path: Path, runs: int, report: Report
) -> None:
    row = report.row(f"disk: {kind.__name__}", "beyond saturation")

    async def main(scene: Up, fault: DiskFault) -> None:
        for _ in range(min(runs, RUNS)):
            fleet = scene.fleet(DEVICES)
            publishing = asyncio.create_task(fleet.publish())
            await until(lambda: len(fleet.acknowledged) > 200)  # noqa: B023
            resident_mb = scene.resident_mb("up")
            fault.begin(scene.pid("up"))
            try:
                await health(scene, 503, fault.says)
                before = fleet.acknowledged
                await asyncio.sleep(HELD_S)
                assert fleet.acknowledged == before
                assert scene.resident_mb("up") - resident_mb < MOST_MB
            finally:
                fault.end(scene.pid("up"))
            await health(scene, 200, '"ok"')
            await until(lambda: len(fleet.acknowledged) > len(before) + 200)  # noqa: B023
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            promised, stored = fleet.acknowledged, await asyncio.to_thread(scene.keys, fleet)
            await fleet.resend()
            row.add(fleet, promised, stored, await asyncio.to_thread(scene.keys, fleet))
        assert (row.lost, row.doubled) == (0, 0)
        assert row.sent == row.stored >= row.acknowledged > 0

    disk = tmp_path / "disk"
    with kind.made(disk) as fault, Up(tmp_path, f"sqlite:///{disk / 'record.db'}") as scene:
        asyncio.run(main(scene, fault))
