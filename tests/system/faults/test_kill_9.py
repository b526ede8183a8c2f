"""kill -9 of each part under fifty publishing devices: what was acknowledged is in the database, exactly once."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.mqtt.aio import until
from tests.system.faults.report import Report
from tests.system.faults.scene import Apart, OverHttp, Scene, Up, UpOnPostgres

DEVICES = 50
WARM_S = 2.0
ALL_LOADS_FROM = 5
"""Runs; fewer are those of every test run, which has time for the hardest load only."""
SCENES: dict[str, type[Scene]] = {
    "up": Up,
    "ingest": Apart,
    "gateway": OverHttp,
    "mosquitto": Apart,
    "postgresql": UpOnPostgres,
}
BEYOND = "beyond saturation"


async def saturation(scene: Scene) -> float:
    """Acknowledgements a second that the whole gives, at most."""
    fleet = scene.fleet(DEVICES)
    publishing = asyncio.create_task(fleet.publish())
    await asyncio.sleep(WARM_S)
    before = len(fleet.acknowledged)
    await asyncio.sleep(WARM_S)
    rate = (len(fleet.acknowledged) - before) / WARM_S
    publishing.cancel()
    await asyncio.gather(publishing, return_exceptions=True)
    assert rate > 10
    return rate


async def loads(scene: Scene, runs: int) -> Sequence[tuple[str, float | None]]:
    if runs < ALL_LOADS_FROM:
        return [(BEYOND, None)]
    most = await saturation(scene)
    return [("10 %", 0.1 * most), ("50 %", 0.5 * most), (BEYOND, None)]


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("part", SCENES)
def test_what_was_acknowledged_is_stored_exactly_once(part: str, tmp_path: Path, runs: int, report: Report) -> None:
    async def main(scene: Scene) -> None:
        for load, rate in await loads(scene, runs):
            row = report.row(f"kill -9 of {part}", load)
            for _ in range(runs):
                fleet = scene.fleet(DEVICES)
                publishing = asyncio.create_task(fleet.publish(rate))
                await until(lambda: bool(fleet.acknowledged))  # noqa: B023
                # At a time that no one can foresee: before a commit, after it, between two acknowledgements.
                await asyncio.sleep(random.uniform(0.5, 1.5))
                await asyncio.to_thread(scene.kill, part)
                await scene.aftermath(part, fleet, publishing, row)
            assert (row.lost, row.doubled) == (0, 0)
            assert row.sent == row.stored >= row.acknowledged > 0

    with SCENES[part](tmp_path) as scene:
        asyncio.run(main(scene))
