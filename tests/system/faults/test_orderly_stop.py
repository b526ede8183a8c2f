"""SIGTERM under load: what has arrived is committed and acknowledged before the connections end."""

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.mqtt.aio import until
from tests.system.faults.scene import Apart, Scene, Up, UpOnPostgres
from tests.system.faults.waiting import health

DEVICES = 50
PARTS: dict[str, type[Scene]] = {"up": Up, "ingest": Apart}


@pytest.mark.parametrize("part", PARTS)
def test_what_is_stored_is_acknowledged_before_the_end(part: str, tmp_path: Path) -> None:
    async def main(scene: Scene) -> None:
        fleet = scene.fleet(DEVICES)
        publishing = asyncio.create_task(fleet.publish())
        await until(lambda: len(fleet.acknowledged) > 500)
        scene.send(part, signal.SIGTERM)
        assert await asyncio.to_thread(scene.ended, part) == 0
        stored = await asyncio.to_thread(scene.keys, fleet)
        async with asyncio.timeout(5):
            await until(lambda: fleet.acknowledged == stored.keys())
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await asyncio.to_thread(scene.start, part)
        await fleet.resend()
        assert (await asyncio.to_thread(scene.keys, fleet)).keys() == fleet.everything

    with PARTS[part](tmp_path) as scene:
        asyncio.run(main(scene))


def test_health_says_that_postgresql_is_away_and_back(tmp_path: Path) -> None:
    async def main(scene: UpOnPostgres) -> None:
        await health(scene, 200, '"ok"')
        await asyncio.to_thread(scene.kill, "postgresql")
        await health(scene, 503, "connection")
        await asyncio.to_thread(scene.start, "postgresql")
        await health(scene, 200, '"ok"')

    with UpOnPostgres(tmp_path) as scene:
        asyncio.run(main(scene))
