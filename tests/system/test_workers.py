"""Many ingests on one broker and one database: each device stays with one, and any may take it over."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from ingest.shard import Shard
from tests.support.harness import Subscriber, rows, wait_until
from tests.support.mqtt.aio import until
from tests.system.faults.ledger import Fleet
from tests.system.faults.scene import Workers

DEVICES = 12
RATE = 600.0
ROUND_S = 2.0
WARM = 100
"""Samples, a second of event time each, after which nobody is warming up."""


async def publish(fleet: Fleet, more: int) -> None:
    """Publish until everybody has that many more, and all is acknowledged. An answer may be lost: then it is sent again."""
    goal = {device: len(device.acknowledged) + more for device in fleet.devices}
    while any(len(device.acknowledged) < least for device, least in goal.items()):
        publishing = asyncio.create_task(fleet.publish(RATE))
        await asyncio.sleep(ROUND_S)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await fleet.resend()


def assert_stored_once(scene: Workers, fleet: Fleet) -> None:
    stored = scene.keys(fleet)
    assert stored.keys() == fleet.everything
    assert set(stored.values()) == {1}
    assert rows(scene.database_url, "SELECT count(*) FROM rejected") == [(0,)]


def test_each_device_stays_with_one_ingest(tmp_path: Path) -> None:
    async def main(scene: Workers) -> None:
        fleet = scene.patients(DEVICES)
        with Subscriber(scene.port) as subscriber:
            await publish(fleet, WARM)
            assert_stored_once(scene, fleet)
            await asyncio.to_thread(wait_until, lambda: len(subscriber.payloads("data_received")) >= fleet.sent)
            answers = subscriber.payloads("data_received")
            stored = Counter((one["boot"], one["seq"]) for one in answers if not one.get("duplicate"))
            assert set(stored.values()) == {1}  # one ingest stored it, and the others left it alone

    shares = [Shard(part, 3) for part in (1, 2, 3)]
    with Workers(tmp_path, *map(str, shares)) as scene:
        asyncio.run(main(scene))


def test_who_takes_a_device_over_knows_it_from_the_record(tmp_path: Path) -> None:
    async def main(scene: Workers) -> None:
        fleet = scene.patients(DEVICES)
        await publish(fleet, WARM)
        for shares in (["1/3", "2/3", "3/3"], ["1/1"]):
            taken_over = {device: device.sent for device in fleet.devices}
            await asyncio.to_thread(scene.become, *shares)
            await publish(fleet, 30)
            assert_stored_once(scene, fleet)
            for device, first in taken_over.items():
                query = f"SELECT DISTINCT quality FROM history_stress WHERE boot = '{device.boot}' AND seq >= {first}"  # noqa: S608
                assert rows(scene.database_url, query) == [("",)]

    with Workers(tmp_path, "1/2", "2/2") as scene:
        asyncio.run(main(scene))


@pytest.mark.parametrize("victim", ["1/2", "shared:one"])
def test_a_worker_that_is_killed_loses_nothing(tmp_path: Path, victim: str) -> None:
    """Mosquitto's shared subscription knows nothing of devices, so each is with many: that costs windows, no sample."""

    async def main(scene: Workers) -> None:
        fleet = scene.fleet(DEVICES)
        publishing = asyncio.create_task(fleet.publish(RATE))
        await until(lambda: sum(len(device.acknowledged) for device in fleet.devices) > 20 * DEVICES)
        await asyncio.to_thread(scene.kill, victim)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await asyncio.to_thread(scene.start, victim)
        await fleet.resend()
        assert_stored_once(scene, fleet)

    other = {"1/2": "2/2", "shared:one": "shared:two"}[victim]
    with Workers(tmp_path, victim, other) as scene:
        asyncio.run(main(scene))
