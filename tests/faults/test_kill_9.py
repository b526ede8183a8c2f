"""kill -9 of `stresswire up` under fifty publishing devices: what had its PUBACK is in the database, exactly once."""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.ledger import Fleet
from tests.harness import Stack

DEVICES = 50


def keys(stack: Stack) -> Counter[tuple[str, int]]:
    return Counter((boot, seq) for boot, seq in stack.rows("SELECT boot, seq FROM history_stress"))


async def publish_until_killed(stack: Stack, fleet: Fleet, after_s: float) -> None:
    """Kill at a time that no one can foresee: before a commit, after it, between two acknowledgements."""
    publishing = asyncio.create_task(fleet.publish(stack.mqtt_port))
    await asyncio.sleep(after_s)
    stack.send(signal.SIGKILL)
    await publishing


@pytest.mark.timeout(1_800)
def test_what_was_acknowledged_is_stored_exactly_once(tmp_path: Path, runs: int) -> None:
    total, started_s = Counter[str](), time.monotonic()
    for run in range(runs):
        fleet = Fleet(DEVICES, run)
        with Stack(tmp_path) as stack:
            asyncio.run(publish_until_killed(stack, fleet, random.uniform(0.5, 2.5)))
            assert stack.wait() == -signal.SIGKILL
        promised = fleet.acknowledged
        with Stack(tmp_path) as stack:
            stored = keys(stack)
            lost = promised - stored.keys()
            assert lost == set()
            asyncio.run(fleet.resend(stack.mqtt_port))
            assert stack.stop() == 0
            stored = keys(stack)
        twice = [key for key, count in stored.items() if count > 1]
        everything = fleet.everything
        assert twice == []
        assert everything - stored.keys() == set()
        total.update(sent=fleet.sent, acknowledged=len(promised), stored=len(everything))
    assert total["acknowledged"] > DEVICES * runs
    print(
        f"\n{runs} kill -9, {DEVICES} devices: {total['sent']} sent, {total['acknowledged']} acknowledged before the kill, "
        f"{total['stored']} stored after the resend, 0 lost, 0 twice, in {time.monotonic() - started_s:.0f} s"
    )
