"""kill -9 at set points: between the commit, the answers, the acknowledgement and the alert."""

import asyncio
import random
import signal
from pathlib import Path

import pytest

from tests.support.harness import Subscriber, rows, wait_until
from tests.system.faults.killed_at import POINTS
from tests.system.faults.report import Report
from tests.system.faults.scene import Apart, Scene, Up

PATIENTS = 10
LATEST = {
    "before commit": 30,
    "after commit before ack": 30,
    "after publish before ack": 1_000,
    "after ack before alert": 5,
    "after alert before it is settled": 5,
}
"""The n-th time at which a run ends, at most. The first two transactions of a process are its start."""
FIRST = 3
PARTS: dict[str, type[Scene]] = {"up": Up, "ingest": Apart}


def alerts(scene: Scene, run: str) -> set[tuple[int, str]]:
    """Every alert of these devices, as it is shown: a cleared one has the number of the raised one."""
    query = f"SELECT COALESCE(raised_id, id), state FROM alerts WHERE device_id LIKE '{run}%'"  # noqa: S608
    return {(alert_id, state) for alert_id, state in rows(scene.database_url, query)}


def heard(subscriber: Subscriber) -> set[tuple[int, str]]:
    return {(one["alert_id"], one["state"]) for one in subscriber.payloads("stress_alert")}


@pytest.mark.timeout(7_200)
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("point", POINTS)
def test_what_was_acknowledged_is_stored_and_every_alert_is_sent(
    part: str, point: str, tmp_path: Path, runs: int, report: Report
) -> None:
    row = report.row(f"kill -9 of {part}", point)

    async def main(scene: Scene) -> None:
        for _ in range(runs):
            scene.start_to_be_killed(part, point, random.randint(FIRST, max(FIRST, LATEST[point])))
            fleet = scene.patients(PATIENTS)
            with Subscriber(scene.port) as subscriber:
                publishing = asyncio.create_task(fleet.publish())
                assert await asyncio.to_thread(scene.ended, part) == -signal.SIGKILL
                subscribed = 2 if part == "up" else 1  # Mosquitto was there all the time
                back = lambda: subscriber.output.count("Subscribed") >= subscribed  # noqa: B023, E731
                await scene.aftermath(part, fleet, publishing, row, back)
                raised = alerts(scene, fleet.run)
                await asyncio.to_thread(wait_until, lambda: raised <= heard(subscriber))  # noqa: B023
                await asyncio.to_thread(wait_until, lambda: not rows(scene.database_url, "SELECT id FROM outbox"))
                scene.kill(part)
            if "alert" in point:
                assert raised
        assert (row.lost, row.doubled) == (0, 0)
        assert row.sent == row.stored >= row.acknowledged

    with PARTS[part](tmp_path) as scene:
        scene.kill(part)
        asyncio.run(main(scene))
