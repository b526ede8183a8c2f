"""`stresswire db backup` as a user gives it: beside a server that stores, of a server that is stopped, and interrupted."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import assert_one_line
from tests.support.command_server import stresswire
from tests.support.harness import Process, Stack, wait_until
from tests.support.people import ask
from tests.system.faults.disks import Full

WRITERS = 4


def in_copy(path: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A folder with a record that nobody has open."""
    done = stresswire(tmp_path, "db", "upgrade")
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_a_copy_of_a_busy_record_has_what_was_acknowledged_and_starts_elsewhere(tmp_path: Path) -> None:
    acknowledged: list[tuple[str, int]] = []
    ended = threading.Event()

    def send(stack: Stack, writer: int) -> None:
        seq = 0
        while not ended.is_set():
            batch: list[Any] = [{"hr": 70, "boot": "b", "seq": seq + one, "device_id": f"w{writer}"} for one in range(20)]
            reply = ask(stack, "POST", "/api/esp32/data", batch)
            assert reply.status == 201
            acknowledged.extend((f"w{writer}", one["seq"]) for one in batch)
            seq += len(batch)

    here, there = tmp_path / "here", tmp_path / "there"
    (there / "var").mkdir(parents=True)
    here.mkdir()
    copy = there / "var" / "stresswire.db"
    with Stack(here) as stack:
        threads = [threading.Thread(target=send, args=(stack, writer)) for writer in range(WRITERS)]
        for thread in threads:
            thread.start()
        try:
            wait_until(lambda: len(acknowledged) > 500)
            before = set(acknowledged)
            done = stresswire(here, "db", "backup", str(copy))
        finally:
            ended.set()
            for thread in threads:
                thread.join()
        assert done.returncode == 0, done.stderr
        copied = in_copy(copy, "SELECT device_id, seq FROM history_stress")
        assert before <= set(copied)
        assert done.stdout.startswith(f"{copy}: ")
        assert f"{len(copied)} readings, the newest of 20" in done.stdout
        assert ask(stack, "GET", "/readyz").status == 200
        assert stack.count("history_stress") == len(acknowledged)
    with Stack(there) as restored:
        assert restored.count("history_stress") == len(copied)
        assert ask(restored, "GET", "/api/history?limit=1").body["data"][0]["id"] == len(copied)
        assert ask(restored, "POST", "/api/esp32/data", {"hr": 70}).status == 201


def test_a_copy_of_a_record_that_rests(stopped: Path) -> None:
    done = stresswire(stopped, "db", "backup", "copy.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" kB, 0 readings; verified\n")
    assert {path.name for path in (stopped / "var").iterdir()} == {"stresswire.db"}
    assert {path.name for path in stopped.iterdir()} == {"var", "copy.db"}


def test_a_file_that_is_there_stays_unless_it_is_written_over(stopped: Path) -> None:
    (stopped / "copy.db").write_text("mine")
    assert_one_line(stresswire(stopped, "db", "backup", "copy.db"), "copy.db exists already", "--force")
    assert (stopped / "copy.db").read_text() == "mine"
    assert stresswire(stopped, "db", "backup", "copy.db", "--force").returncode == 0
    assert_one_line(stresswire(stopped, "db", "backup", "var/stresswire.db", "--force"), "belongs to the record itself")


def test_a_record_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    done = stresswire(tmp_path, "db", "backup", "copy.db")
    assert_one_line(done, "there is no file var/stresswire.db", f"in {tmp_path}", "STRESSWIRE_DATABASE_URL")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "var/stresswire.db is empty"),
        (b"subject,t,hr\n" * 400, "is not a database of SQLite, but another kind of file"),
        (b"\x1f\x8b\x08" + bytes(200), "is compressed with gzip: unpack it first"),
        (b"SQLite format 3\0", "ends too early, after 16 bytes"),
    ],
)
def test_a_record_that_is_none(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "stresswire.db").write_bytes(content)
    assert_one_line(stresswire(tmp_path, "db", "backup", "copy.db"), "cannot copy the record", words)
    assert not (tmp_path / "copy.db").exists()


def test_postgresql_has_a_program_of_its_own(tmp_path: Path) -> None:
    url = "postgresql://anna:hunter2@db.example:5433/stress?sslmode=require"
    done = stresswire(tmp_path, "db", "backup", "my copy.dump", database_url=url)
    command = "pg_dump --format=custom '--file=my copy.dump' postgresql://anna@db.example:5433/stress"
    assert_one_line(done, "the record is in PostgreSQL", command)
    assert "hunter2" not in done.stdout + done.stderr


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing(stopped: Path, sign: signal.Signals) -> None:
    """Somebody has the record for himself, so that the copy has begun and cannot end before the signal."""
    with closing(sqlite3.connect(stopped / "var" / "stresswire.db", isolation_level=None)) as alone:
        alone.execute("PRAGMA locking_mode=EXCLUSIVE")
        alone.execute("BEGIN EXCLUSIVE")
        with Process([sys.executable, "-m", "stresswire", "db", "backup", "copy.db"], cwd=stopped) as command:
            wait_until(lambda: any(stopped.glob(".stresswire-backup-*")))
            command.send(sign)
            alone.execute("COMMIT")
            alone.close()
            assert command.wait() == 128 + sign
            assert command.lines == ["stresswire: stopped: there is no copy"]
    assert {path.name for path in stopped.iterdir()} == {"var"}


# --- disks


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Full]:
    with Full.made(tmp_path / "small") as disk:
        assert isinstance(disk, Full)
        yield disk


def test_a_disk_without_room_for_the_copy(stopped: Path, small: Full) -> None:
    small.begin(0)
    done = stresswire(stopped, "db", "backup", str(small.folder / "copy.db"))
    assert_one_line(done, f"not enough room in {small.folder}: the copy needs", "and 0 bytes are free")
    assert {path.name for path in small.folder.iterdir()} == {"ballast"}


def test_the_disk_of_the_record_keeps_some_room(small: Full) -> None:
    assert stresswire(small.folder, "db", "upgrade").returncode == 0
    done = stresswire(small.folder, "db", "backup", "copy.db")
    assert_one_line(done, "not enough room in .", "64.0 MB that must stay free for the record")
    assert {path.name for path in small.folder.iterdir()} == {"var"}


def test_a_disk_that_takes_no_more_meanwhile(stopped: Path) -> None:
    """As a file system does that takes no file longer than so much."""
    command = ["prlimit", "--fsize=40960", sys.executable, "-m", "stresswire", "db", "backup", "copy.db"]
    done = subprocess.run(command, cwd=stopped, capture_output=True, text=True, timeout=60, check=False)
    assert_one_line(done, "cannot copy var/stresswire.db into the folder .", "disk I/O error")
    assert {path.name for path in stopped.iterdir()} == {"var"}


# --- looking


def test_the_record_and_copies_of_it_are_looked_at(tmp_path: Path) -> None:
    with Stack(tmp_path) as stack:
        assert ask(stack, "POST", "/api/esp32/data", [{"hr": 70}, {"hr": 71}]).status == 201
        shutil.copy(stack.database, tmp_path / "cp.db")
        assert stresswire(tmp_path, "db", "backup", "backup.db").returncode == 0
        for arguments in ([], ["backup.db"], ["var/stresswire.db"]):
            done = stresswire(tmp_path, "db", "check", *arguments)
            assert (done.returncode, done.stderr) == (0, "")
            assert "ok   readings   2, the newest of 20" in done.stdout
            assert "if it was copied" not in done.stdout
        done = stresswire(tmp_path, "db", "check", "cp.db")
        assert done.returncode == 1
        assert "BAD  tables     no tables in it: it looks like a copy of the .db file alone" in done.stdout
        assert ask(stack, "GET", "/readyz").status == 200


def test_looking_makes_no_record(tmp_path: Path) -> None:
    done = stresswire(tmp_path, "db", "check")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("BAD  file       there is no file var/stresswire.db (in ")
    assert list(tmp_path.iterdir()) == []
