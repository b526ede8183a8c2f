"""Deployments whose parts can be killed and started again, each on its own folder and free ports."""

import asyncio
import random
import signal
import sys
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Self

from tests.support.harness import Process, Stack, free_port, rows, start_mosquitto, wait_until
from tests.support.paths import REPOSITORY
from tests.support.postgres import PostgresServer
from tests.system.faults.ledger import AnsweredDevice, AnsweredPatient, Device, Fleet, HttpDevice, Key, MqttDevice, Patient
from tests.system.faults.report import Row

Starter = Callable[[], Process]


class Scene(ABC):
    """Parts by name, started in their order and stopped in the other; devices of a `kind` that connect to `port`."""

    kind: type[Device]
    patient: type[Device]
    port: int
    database_url: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._program: tuple[str, ...] = ("stresswire",)
        self._running: dict[str, Process] = {}
        self._stack = ExitStack()

    @abstractmethod
    def parts(self) -> Mapping[str, Starter]:
        """How each part is started."""

    def fleet(self, count: int) -> Fleet:
        return Fleet(self.kind, count, self.port)

    def patients(self, count: int) -> Fleet:
        """Devices whose samples raise alerts."""
        return Fleet(self.patient, count, self.port)

    def keys(self, fleet: Fleet) -> Counter[Key]:
        """How often each key of the fleet is stored."""
        query = f"SELECT boot, seq FROM history_stress WHERE boot LIKE '{fleet.run}%'"  # noqa: S608
        return Counter((boot, seq) for boot, seq in rows(self.database_url, query))

    def start(self, part: str) -> None:
        self._running[part] = self.parts()[part]()

    def start_to_be_killed(self, part: str, point: str, nth: int) -> None:
        """Start a part that kills itself when it comes to a point of `killed_at` for the `nth` time."""
        self._program = ("tests.system.faults.killed_at", point, str(nth))
        self.start(part)
        self._program = ("stresswire",)

    def kill(self, part: str) -> None:
        process = self._running.pop(part)
        process.send(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL

    def pid(self, part: str) -> int:
        return self._running[part].pid

    def output(self, part: str) -> str:
        """What a part has said."""
        return self._running[part].output

    def resident_mb(self, part: str) -> float:
        return self._running[part].resident_mb()

    def send(self, part: str, sign: signal.Signals) -> None:
        self._running[part].send(sign)

    def ended(self, part: str) -> int:
        """Wait until a part ends by itself; its status."""
        return self._running.pop(part).wait()

    async def aftermath(
        self, part: str, fleet: Fleet, publishing: asyncio.Task[None], row: Row, back: Callable[[], bool] = lambda: True
    ) -> None:
        """A part was killed: start it again, look what is stored, send again what was not acknowledged, and look again.
        `back`: whoever else lost the part has found it again.
        """
        await asyncio.sleep(random.uniform(0, 0.5))
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        promised = fleet.acknowledged
        await asyncio.to_thread(self.start, part)
        before = await asyncio.to_thread(self.keys, fleet)
        await asyncio.to_thread(wait_until, back)
        await self.resent(fleet)
        row.add(fleet, promised, before, await asyncio.to_thread(self.keys, fleet))

    async def resent(self, fleet: Fleet) -> None:
        """Let the fleet send again what was not acknowledged; fail at once where a part that should take it has ended."""
        resending = asyncio.create_task(fleet.resend())
        try:
            while not (await asyncio.wait({resending}, timeout=1))[0]:
                ended = {part: process.output for part, process in self._running.items() if not process.runs}
                assert not ended, "\n".join(f"{part} has ended:\n{output}" for part, output in ended.items())
            await resending
        finally:
            resending.cancel()

    def __enter__(self) -> Self:
        for part in self.parts():
            self.start(part)
        return self

    def __exit__(self, *error: object) -> None:
        ended = {}
        with self._stack:
            for process in self._running.values():
                self._stack.callback(process.__exit__)  # whatever happens to the others
            for part, process in reversed(self._running.items()):
                ended[part] = process.stop()
        if error == (None, None, None):
            assert set(ended.values()) <= {0}, ended


class Up(Scene):
    """`stresswire up` with the embedded broker and SQLite."""

    kind = MqttDevice
    patient = Patient

    def __init__(self, folder: Path, database_url: str | None = None) -> None:
        super().__init__(folder)
        self.port = free_port()
        self._http_port = free_port()
        self.database_url = database_url or f"sqlite:///{folder / 'record.db'}"

    def parts(self) -> Mapping[str, Starter]:
        return {"up": self._up}

    def _up(self) -> Process:
        binds = {"mqtt_bind": f"127.0.0.1:{self.port}", "http_bind": f"127.0.0.1:{self._http_port}"}
        return Stack(self.folder, program=self._program, database_url=self.database_url, **binds)

    @property
    def ready_url(self) -> str:
        return f"http://127.0.0.1:{self._http_port}/readyz"


class UpOnPostgres(Up):
    """`stresswire up` with the embedded broker and PostgreSQL."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._server = self._stack.enter_context(PostgresServer())
        self.database_url = self._server.create()

    def start(self, part: str) -> None:
        if part == "postgresql":
            self._server.start()
        else:
            super().start(part)

    def kill(self, part: str) -> None:
        if part == "postgresql":
            self._server.kill()
        else:
            super().kill(part)


class Apart(Scene):
    """Ingest and gateway on Mosquitto, which keeps its sessions on disk, and on PostgreSQL."""

    kind: type[Device] = AnsweredDevice
    patient = AnsweredPatient

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.http_port = free_port()
        self.database_url = self._stack.enter_context(PostgresServer()).create()

    def parts(self) -> Mapping[str, Starter]:
        return {
            "mosquitto": self._mosquitto,
            "ingest": lambda: self._part("ingest", "ingest on"),
            "gateway": lambda: self._part("gateway", "gateway on"),
        }

    def _mosquitto(self) -> Process:
        options = {"persistence": "true", "persistence_location": f"{self.folder}/", "autosave_interval": 1}
        return start_mosquitto(self.folder, self.port, options)

    def _part(self, name: str, sign: str, **settings: str) -> Process:
        env = {
            **settings,
            "STRESSWIRE_MQTT_URL": f"mqtt://127.0.0.1:{self.port}",
            "STRESSWIRE_DATABASE_URL": self.database_url,
            "STRESSWIRE_HTTP_BIND": f"127.0.0.1:{self.http_port}",
        }
        env["PYTHONPATH"] = str(REPOSITORY)
        process = Process([sys.executable, "-m", *self._program, name], env=env, cwd=self.folder)
        process.wait_for(sign)
        return process


class Workers(Apart):
    """Several ingests that share the devices: as parts of a whole, or as members of the broker's shared subscription."""

    def __init__(self, folder: Path, *shares: str) -> None:
        super().__init__(folder)
        self.shares = shares

    def parts(self) -> Mapping[str, Starter]:
        workers = {
            share: partial(self._part, "ingest", "ingest on", STRESSWIRE_INGEST_SHARD=share) for share in self.shares
        }
        return {"mosquitto": self._mosquitto, **workers}

    def become(self, *shares: str) -> None:
        """Other workers, in place of those that run: the new ones come first, so that nobody is left alone."""
        before, self.shares = self.shares, shares
        for share in shares:
            self.start(share)
        for share in before:
            assert self._running.pop(share).stop() == 0


class OverHttp(Apart):
    """The same, with devices that speak HTTP."""

    kind = HttpDevice

    def fleet(self, count: int) -> Fleet:
        return Fleet(self.kind, count, self.http_port)
