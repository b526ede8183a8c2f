"""The database's files are moved, swapped or destroyed under a running server: it says so, and acknowledges nothing that
nobody would find again.
"""

import asyncio
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.mqtt.aio import until
from tests.system.faults.ledger import WINDOW, Fleet, Key
from tests.system.faults.report import Report
from tests.system.faults.scene import Up
from tests.system.faults.waiting import health

DEVICES = 10
ANSWERED_S = 0.5
"""By then what was committed before the fault is acknowledged."""
HELD_S = 0.5


def away(path: Path) -> None:
    path.rename(path.with_name("away"))


def back(path: Path) -> None:
    path.with_name("away").rename(path)


def swap(path: Path) -> None:
    away(path)
    shutil.copy(path.with_name("away"), path)


def fold(path: Path) -> None:
    """What the log has is in the file alone from now on."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA busy_timeout=5000")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


class Fault(NamedTuple):
    """What is done to a file of the database's, how it is undone, and what the server calls it."""

    file: str
    begin: Callable[[Path], None]
    end: Callable[[Path], None] | None
    says: str


FAULTS = (
    Fault("record.db", away, back, "record.db was removed or renamed"),
    Fault("record.db", swap, back, "record.db was replaced by another file"),
    Fault("record.db-wal", Path.unlink, None, "record.db-wal was removed or renamed"),
)
"""One after the other; the last is there until the process is killed."""


async def held(fleet: Fleet) -> set[Key]:
    """Nothing more is acknowledged; what is by now."""
    await asyncio.sleep(ANSWERED_S)
    before = fleet.acknowledged
    await asyncio.sleep(HELD_S)
    assert fleet.acknowledged == before
    return before


def test_nothing_is_acknowledged_that_nobody_finds(tmp_path: Path, report: Report) -> None:
    row = report.row("files moved and swapped", "beyond saturation")

    async def main(scene: Up) -> None:
        fleet = scene.fleet(DEVICES)
        publishing = asyncio.create_task(fleet.publish())
        await until(lambda: len(fleet.acknowledged) > 200)
        for fault in FAULTS:
            fault.begin(tmp_path / "var" / fault.file)
            await health(scene, 503, fault.says)
            before = await held(fleet)
            if fault.end is not None:
                fault.end(tmp_path / "var" / fault.file)
                await health(scene, 200, '"ok"')
                await until(lambda: len(fleet.acknowledged) > len(before) + 200)  # noqa: B023
            assert scene.output("up").count(fault.says) == 1
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        promised = fleet.acknowledged
        await asyncio.to_thread(scene.kill, "up")
        await asyncio.to_thread(scene.start, "up")
        stored = await asyncio.to_thread(scene.keys, fleet)
        await fleet.resend()
        row.add(fleet, promised, stored, await asyncio.to_thread(scene.keys, fleet))
        assert (row.lost, row.doubled) == (0, 0)
        assert row.sent == row.stored >= row.acknowledged > 0

    with Up(tmp_path, f"sqlite:///{tmp_path / 'var' / 'record.db'}") as scene:
        asyncio.run(main(scene))


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_file_that_is_destroyed_is_said_and_takes_no_more(sign: signal.Signals, tmp_path: Path) -> None:
    database = tmp_path / "var" / "record.db"

    async def main(scene: Up) -> None:
        fleet = scene.fleet(DEVICES)
        publishing = asyncio.create_task(fleet.publish())
        await until(lambda: len(fleet.acknowledged) > 200)
        fold(database)
        folded = len(fleet.acknowledged)
        await until(lambda: len(fleet.acknowledged) > folded + 2 * DEVICES * WINDOW)  # the log has something again
        os.truncate(database, 0)
        await health(scene, 503, "record.db was cut short while the server runs: stop the server, copy ")
        await held(fleet)
        log = database.with_name("record.db-wal").read_bytes()
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        scene.send("up", sign)
        await asyncio.to_thread(scene.ended, "up")
        # Neither the server nor a new one has thrown away what is left.
        with pytest.raises(AssertionError, match=r"record\.db is empty, and its log|not a database|malformed"):
            await asyncio.to_thread(scene.start, "up")
        assert database.with_name("record.db-wal").read_bytes() == log

    with Up(tmp_path, f"sqlite:///{database}") as scene:
        asyncio.run(main(scene))
