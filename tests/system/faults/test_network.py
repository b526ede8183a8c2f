"""Cables that are pulled between device, broker, ingest and database, for moments, for a minute, and half-open."""

import asyncio
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.harness import Process, free_port, start_mosquitto
from tests.support.mqtt.aio import until
from tests.support.paths import REPOSITORY
from tests.support.postgres import PostgresServer
from tests.system.faults.ledger import AnsweredDevice, Fleet, MqttDevice
from tests.system.faults.network import HERE, Cable, Network
from tests.system.faults.report import Report
from tests.system.faults.scene import Scene, Starter

DEVICES = 10
RUNS = 5
LONG_FROM = 5
"""Runs; a minute is waited for only where there is time."""
SHORT_S, LONG_S = 5, 60
QUIET_S = 1.0
"""What was on its way has come by then."""
RECOVERED_S = 45.0
"""From the plug to the first acknowledgement: the longest pause between two attempts, and a connect that times out."""
HALF_OPEN = "half-open"


class OneMachine(Scene):
    """`stresswire up` on a machine, devices on another."""

    kind = MqttDevice

    def __init__(self, folder: Path, network: Network) -> None:
        super().__init__(folder)
        self._machine = network.machine()
        self.port = free_port()
        self.database_url = f"sqlite:///{folder / 'record.db'}"
        self.cables = {"device and broker": network.cable(HERE, self._machine)}
        self.host = self.cables["device and broker"].addresses[1]

    def parts(self) -> Mapping[str, Starter]:
        return {"up": self._up}

    def _up(self) -> Process:
        env = {
            "STRESSWIRE_AUTH": "off",
            "STRESSWIRE_MQTT_BIND": f"0.0.0.0:{self.port}",
            "STRESSWIRE_HTTP_BIND": f"127.0.0.1:{free_port()}",
            "STRESSWIRE_DATABASE_URL": self.database_url,
        }
        process = Process([*self._machine.prefix, sys.executable, "-m", "stresswire", "up"], env=env, cwd=self.folder)
        process.wait_for("Ctrl-C stops.")
        return process


class FourMachines(Scene):
    """Devices, Mosquitto, ingest and PostgreSQL, each on its own machine."""

    kind = AnsweredDevice

    def __init__(self, folder: Path, network: Network) -> None:
        super().__init__(folder)
        self._broker, self._ingest, database = (network.machine() for _ in range(3))
        self.cables = {
            "device and broker": network.cable(HERE, self._broker),
            "broker and ingest": network.cable(self._broker, self._ingest),
            "ingest and database": network.cable(self._ingest, database),
        }
        look = network.cable(HERE, database)
        self.port = free_port()
        self.host = self.cables["device and broker"].addresses[1]
        server = PostgresServer(look.addresses[1], database.prefix, listen="*")
        self.database_url = self._stack.enter_context(server).create()
        self._served = self.database_url.replace(look.addresses[1], self.cables["ingest and database"].addresses[1])

    def parts(self) -> Mapping[str, Starter]:
        return {"mosquitto": self._mosquitto, "ingest": self._start_ingest}

    def _mosquitto(self) -> Process:
        return start_mosquitto(self.folder, self.port, {}, listen="0.0.0.0", prefix=self._broker.prefix)

    def _start_ingest(self) -> Process:
        env = {
            "STRESSWIRE_MQTT_URL": f"mqtt://{self.cables['broker and ingest'].addresses[0]}:{self.port}",
            "STRESSWIRE_DATABASE_URL": self._served,
            "PYTHONPATH": str(REPOSITORY),
        }
        process = Process([*self._ingest.prefix, sys.executable, "-m", "ingest"], env=env, cwd=self.folder)
        process.wait_for("ingest on")
        return process


async def recovered(fleet: Fleet) -> float:
    """Wait for the next acknowledgement; seconds that it took."""
    before, started_s = len(fleet.acknowledged), time.monotonic()
    async with asyncio.timeout(RECOVERED_S):
        await until(lambda: len(fleet.acknowledged) > before)
    return time.monotonic() - started_s


async def pulled(cable: Cable, fleet: Fleet, seconds: float) -> None:
    """Pull the cable for a while: nothing is acknowledged meanwhile."""
    cable.pull()
    try:
        await asyncio.sleep(QUIET_S)
        before = fleet.acknowledged
        await asyncio.sleep(seconds - QUIET_S)
        assert fleet.acknowledged == before
    finally:
        cable.plug()


CUTS = [
    (OneMachine, "device and broker"),
    (FourMachines, "device and broker"),
    (FourMachines, "broker and ingest"),
    (FourMachines, "ingest and database"),
]


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("kind", "where"), CUTS)
def test_a_cable_is_pulled(
    kind: type[OneMachine | FourMachines], where: str, tmp_path: Path, runs: int, report: Report
) -> None:
    async def one(scene: OneMachine | FourMachines, seconds: float) -> tuple[Fleet, float]:
        fleet = Fleet(scene.kind, DEVICES, scene.port, scene.host)
        publishing = asyncio.create_task(fleet.publish())
        await until(lambda: len(fleet.acknowledged) > 200)
        await pulled(scene.cables[where], fleet, seconds)
        if where == "device and broker":
            # It is for the devices to connect again: how long they wait is theirs.
            publishing.cancel()
            took_s = 0.0
        else:
            took_s = await recovered(fleet)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        return fleet, took_s

    async def main(scene: OneMachine | FourMachines) -> None:
        for seconds in (SHORT_S,) if runs < LONG_FROM else (SHORT_S, LONG_S):
            row = report.row(f"{where} cut, {'up' if kind is OneMachine else 'apart'}", f"{seconds} s")
            longest_s = 0.0
            for _ in range(min(runs, RUNS) if runs >= LONG_FROM else 1):
                fleet, took_s = await one(scene, seconds)
                longest_s = max(longest_s, took_s)
                promised, before = fleet.acknowledged, await asyncio.to_thread(scene.keys, fleet)
                await fleet.resend()
                row.add(fleet, promised, before, await asyncio.to_thread(scene.keys, fleet))
            row.load += f", back after {longest_s:.1f} s" if longest_s else ""
            assert (row.lost, row.doubled) == (0, 0)
            assert row.sent == row.stored >= row.acknowledged > 0

    with Network() as network, kind(tmp_path, network) as scene:
        asyncio.run(main(scene))


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(("kind", "where"), CUTS)
def test_one_end_vanishes_while_the_cable_is_pulled(
    kind: type[OneMachine | FourMachines], where: str, tmp_path: Path, runs: int, report: Report
) -> None:
    """The other end has a connection to nobody, and in the database a transaction of nobody."""
    row = report.row(f"{where} cut, {'up' if kind is OneMachine else 'apart'}", HALF_OPEN)

    async def main(scene: OneMachine | FourMachines) -> None:
        for _ in range(min(runs, RUNS)):
            fleet = Fleet(scene.kind, DEVICES, scene.port, scene.host)
            publishing = asyncio.create_task(fleet.publish())
            await until(lambda: len(fleet.acknowledged) > 200)  # noqa: B023
            scene.cables[where].pull()
            await asyncio.sleep(0.2)
            publishing.cancel()  # the devices are gone, and their word of it is swallowed
            await asyncio.gather(publishing, return_exceptions=True)
            if where != "device and broker":
                await asyncio.to_thread(scene.kill, "ingest")
            promised = fleet.acknowledged
            scene.cables[where].plug()
            if where != "device and broker":
                await asyncio.to_thread(scene.start, "ingest")
            before = await asyncio.to_thread(scene.keys, fleet)
            await fleet.resend()
            row.add(fleet, promised, before, await asyncio.to_thread(scene.keys, fleet))
        assert (row.lost, row.doubled) == (0, 0)
        assert row.sent == row.stored >= row.acknowledged > 0

    with Network() as network, kind(tmp_path, network) as scene:
        asyncio.run(main(scene))
