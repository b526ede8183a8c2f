"""Copies of the record while others write to it: whole, of one instant, and nothing left where there is none."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from storage import backup as module
from storage.backup import BackupError, BackupStoppedError, back_up
from storage.database import Database
from storage.history import Scope
from storage.logins import add_login, logins
from storage.readings import insert_readings
from storage.sessions import Session, add_session
from storage.tables import HistoryStress, SessionRow
from tests.support.paths import REPOSITORY
from tests.support.rows import NOON, row

SECRET = "5e55104" * 9
"""The SHA-256 of a cookie, as far as the database knows."""


def never() -> bool:
    return False


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record with a thousand readings, a login and a session, which nobody has open."""
    path = tmp_path / "in use" / "record.db"
    with Database(f"sqlite:///{path}") as database:
        store(database, range(1_000))
        with database.writing() as connection:
            add_login(connection, "ada", "admin", "a" * 64, NOON)
            add_session(connection, SECRET, Session("ada", NOON), NOON, NOON + timedelta(days=1))
            connection.commit()
    return path


def store(database: Database, numbers: Sequence[int]) -> None:
    with database.writer.begin() as connection:
        insert_readings(connection, [row(number) for number in numbers])


def ask(path: Path, query: str, *values: str) -> Any:
    """Ask a file that nobody else uses; it must not need one beside it."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        return connection.execute(query, values).fetchone()[0]


def files(folder: Path) -> dict[str, int]:
    return {path.name: path.lstat().st_ino for path in folder.iterdir()}


# --- what a copy is


def test_a_copy_has_everything_but_the_sessions(record: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy.db"
    made = back_up(record, out, never, replace=False)
    assert (made.readings, made.size) == (1_000, out.stat().st_size)
    assert made.newest == str(ask(out, "SELECT max(timestamp) FROM history_stress"))
    assert out.stat().st_mode & 0o777 == 0o600
    assert out.read_bytes()[18:20] == b"\1\1", "without a log: it can be read where nobody may write"
    assert ask(out, "PRAGMA integrity_check") == "ok"
    assert ask(out, "SELECT count(*) FROM sessions") == 0
    assert SECRET.encode() in record.read_bytes()
    assert SECRET.encode() not in out.read_bytes()
    with Database(f"sqlite:///{out}") as restored, restored.reading() as connection:
        assert [login.name for login in logins(connection)] == ["ada"]


def test_nothing_is_beside_record_and_copy_afterwards(record: Path, tmp_path: Path) -> None:
    before = record.read_bytes()
    back_up(record, tmp_path / "copy.db", never, replace=False)
    assert files(record.parent).keys() == {"record.db"}
    assert files(tmp_path).keys() == {"in use", "copy.db"}
    assert record.read_bytes() == before


def test_a_record_that_is_open_keeps_its_log(record: Path, tmp_path: Path) -> None:
    with Database(f"sqlite:///{record}") as database:
        store(database, range(1_000, 1_100))
        before = files(record.parent)
        assert {"record.db-wal", "record.db-shm"} < before.keys()
        assert back_up(record, tmp_path / "copy.db", never, replace=False).readings == 1_100
        assert files(record.parent) == before
        assert database.files is not None
        database.files.check()
        store(database, [1_100])


def test_what_a_crash_left_in_the_log_is_in_the_copy(record: Path, tmp_path: Path) -> None:
    with Database(f"sqlite:///{record}") as database:
        store(database, range(1_000, 1_100))
        crashed = tmp_path / "crashed.db"
        for suffix in ("", "-wal"):
            Path(f"{crashed}{suffix}").write_bytes(Path(f"{record}{suffix}").read_bytes())
    log = Path(f"{crashed}-wal").read_bytes()
    assert back_up(crashed, tmp_path / "copy.db", never, replace=False).readings == 1_100
    assert Path(f"{crashed}-wal").read_bytes() == log


def test_a_record_by_a_link_is_copied_with_its_log(record: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(record)
    with Database(f"sqlite:///{record}") as database:
        store(database, [1_000])
        assert back_up(link, tmp_path / "copy.db", never, replace=False).readings == 1_001


def test_an_older_record_is_copied_before_it_is_migrated(record: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(record)) as connection:
        connection.execute("DROP TABLE sessions")
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
        connection.commit()
    assert back_up(record, tmp_path / "copy.db", never, replace=False).revision == "0003"


def test_a_copy_is_of_one_instant_while_others_write(record: Path, tmp_path: Path) -> None:
    """Each transaction stores two readings, of which a copy has both or none; the writers go on."""
    stored, ended, more = [0] * 4, threading.Event(), threading.Condition()

    def write(writer: int) -> None:
        with Database(f"sqlite:///{record}") as database:
            while not ended.is_set():
                first = 2 * stored[writer]
                rows = [row(number, device_id=f"w{writer}") for number in (first, first + 1)]
                with database.writer.begin() as connection:
                    insert_readings(connection, rows)
                with more:
                    stored[writer] += 1
                    more.notify()

    threads = [threading.Thread(target=write, args=(writer,)) for writer in range(4)]
    for thread in threads:
        thread.start()
    steps = 0

    def others_write() -> bool:
        """Let a step of the copy wait until somebody else has stored something: without a transaction it began anew."""
        nonlocal steps
        steps += 1
        seen = sum(stored)
        with more:
            assert more.wait_for(lambda: sum(stored) > seen, 30)
        return steps > 1_000

    try:
        for number in range(3):
            acknowledged = list(stored)
            out = tmp_path / f"{number}.db"
            steps = 0
            with small_steps():
                back_up(record, out, others_write, replace=False)
            assert steps > 5
            for writer in range(4):
                count = ask(out, "SELECT count(*) FROM history_stress WHERE device_id = ?", f"w{writer}")
                assert count % 2 == 0
                assert count >= 2 * acknowledged[writer]
            both = "SELECT (SELECT sum(readings) FROM rollups WHERE width_s = 60) - (SELECT count(*) FROM history_stress)"
            assert ask(out, both) == 0
            assert ask(out, "PRAGMA integrity_check") == "ok"
    finally:
        ended.set()
        for thread in threads:
            thread.join()


@contextmanager
def small_steps() -> Iterator[None]:
    """Copy eight pages a step."""
    usual, module._PAGES = module._PAGES, 8  # type: ignore[misc]
    try:
        yield
    finally:
        module._PAGES = usual  # type: ignore[misc]


# --- where no copy is made


def existing(record: Path) -> Path:
    (record.parent / "there.db").write_text("mine")
    return record.parent / "there.db"


def in_a_file(record: Path) -> Path:
    (record.parent / "file").touch()
    return record.parent / "file" / "copy.db"


def hard_link(record: Path) -> Path:
    (record.parent / "same.db").hardlink_to(record)
    return record.parent / "same.db"


def link(target: str) -> Callable[[Path], Path]:
    def made(record: Path) -> Path:
        (record.parent / "link.db").symlink_to(target)
        return record.parent / "link.db"

    return made


def pipe(record: Path) -> Path:
    os.mkfifo(record.parent / "pipe")
    return record.parent / "pipe"


def leftover(suffix: str) -> Callable[[Path], Path]:
    def made(record: Path) -> Path:
        (record.parent / f"copy.db{suffix}").write_text("of another")
        return record.parent / "copy.db"

    return made


OWN = "belongs to the record itself: name another file"
REFUSED: dict[str, tuple[Callable[[Path], Path], bool, str]] = {
    "a file that is there": (existing, False, "exists already: name another file, or write over it with --force"),
    "a folder": (lambda record: record.parent, True, "is a folder: name a file in it"),
    "in a folder that is missing": (lambda record: record.parent / "no" / "copy.db", True, "make the folder first"),
    "in a file": (in_a_file, True, "is not a folder"),
    "the record": (lambda record: record, True, OWN),
    "the record, spelled otherwise": (lambda record: record.parent / ".." / "in use" / "record.db", True, OWN),
    "its log, which is not there": (lambda record: Path(f"{record}-wal"), False, OWN),
    "the log's index": (lambda record: Path(f"{record}-shm"), True, OWN),
    "a link to the record": (link("record.db"), True, OWN),
    "another name of the record": (hard_link, True, OWN),
    "a link that leads nowhere": (link("nowhere"), False, "exists already"),
    "a link to a file": (link("/dev/null"), True, "is not a regular file: name another one"),
    "a pipe": (pipe, True, "is not a regular file: name another one"),
    "a name with another one's log": (leftover("-wal"), True, "belongs to another database of that name"),
    "a name with another one's journal": (leftover("-journal"), False, "belongs to another database of that name"),
    "a name that is too long": (lambda record: record.parent / ("x" * 300), False, "File name too long"),
    "a folder where nobody writes": (lambda _record: Path("/proc/copy.db"), False, "cannot write into the folder /proc"),
}


@pytest.mark.parametrize(("place", "replace", "words"), REFUSED.values(), ids=REFUSED)
def test_no_copy_where_none_belongs(record: Path, place: Callable[[Path], Path], replace: bool, words: str) -> None:
    out = place(record)
    before, content = files(record.parent), record.read_bytes()
    with pytest.raises(BackupError) as refused:
        back_up(record, out, never, replace=replace)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert files(record.parent) == before
    assert record.read_bytes() == content


def test_another_file_is_written_over_if_that_is_wanted(record: Path) -> None:
    out = existing(record)
    out.chmod(0o644)
    assert back_up(record, out, never, replace=True).readings == 1_000
    assert out.stat().st_mode & 0o777 == 0o600
    assert ask(out, "SELECT count(*) FROM history_stress") == 1_000


# --- what cannot be copied


def damage(record: Path) -> None:
    """Overwrite a page in the middle, behind those that a start reads."""
    with record.open("r+b") as file:
        file.seek(4096 * (record.stat().st_size // 4096 * 2 // 3))
        file.write(b"\xff" * 4096)


def cut(record: Path) -> None:
    os.truncate(record, record.stat().st_size // 2)


def other_database(record: Path) -> None:
    record.unlink()
    with closing(sqlite3.connect(record)) as connection:
        connection.execute("CREATE TABLE mine (x)")


UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "it is not there": (Path.unlink, "unable to open"),
    "it is empty": (lambda record: os.truncate(record, 0), "no tables of stresswire"),
    "it is another program's": (other_database, "no tables of stresswire"),
    "it is text": (lambda record: record.write_text("x" * 5_000), "the record is damaged"),
    "a page is damaged": (damage, "the record is damaged"),
    "it was cut short": (cut, "the record is damaged"),
}


@pytest.mark.parametrize(("spoil", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_is_no_whole_record_has_no_copy(
    record: Path, tmp_path: Path, spoil: Callable[[Path], object], words: str
) -> None:
    spoil(record)
    before = files(record.parent)
    with pytest.raises(BackupError, match=words):
        back_up(record, tmp_path / "copy.db", never, replace=False)
    assert files(record.parent) == before
    assert files(tmp_path).keys() == {"in use"}


# --- a copy that ends early


@pytest.mark.parametrize("asked", [1, 2, 4])
def test_a_copy_that_is_stopped_leaves_nothing(record: Path, tmp_path: Path, asked: int) -> None:
    times = iter(range(1, 1_000))
    old = tmp_path / "copy.db"
    old.write_text("the last one")
    with small_steps(), pytest.raises(BackupStoppedError, match="stopped: there is no copy"):
        back_up(record, old, lambda: next(times) >= asked, replace=True)
    assert old.read_text() == "the last one"
    assert files(tmp_path).keys() == {"in use", "copy.db"}


KILLED = """
import os, signal, sys
from pathlib import Path
from storage.backup import back_up

times = 0

def kill() -> bool:
    global times
    times += 1
    if times == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)
    return False

back_up(Path(sys.argv[1]), Path(sys.argv[2]), kill, replace=True)
"""


def test_a_copy_that_is_killed_leaves_no_file_and_the_next_one_tidies_up(record: Path, tmp_path: Path) -> None:
    with Database(f"sqlite:///{record}") as database:
        store(database, range(1_000, 10_000))
    out = tmp_path / "copy.db"
    for step in (1, 2):
        command = [sys.executable, "-c", KILLED, str(record), str(out), str(step)]
        done = subprocess.run(command, cwd=REPOSITORY, timeout=60, check=False)
        assert done.returncode == -signal.SIGKILL
        assert not out.exists()
    left = [path for path in tmp_path.iterdir() if path != record.parent]
    assert len(left) == 2
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in left)
    os.utime(left[0], (0, 0))
    assert back_up(record, out, never, replace=False).readings == 10_000
    assert not left[0].exists()
    assert left[1].exists(), "another copy may be under way"


def test_the_readings_of_a_copy_are_those_of_the_record(record: Path, tmp_path: Path) -> None:
    out = tmp_path / "copy.db"
    back_up(record, out, never, replace=False)

    def content(path: Path) -> list[Any]:
        with Database(f"sqlite:///{path}") as database, database.reading() as connection:
            query = Scope(None, None, None).of(select(*HistoryStress.__table__.columns)).order_by(HistoryStress.id)
            assert connection.execute(select(func.count()).select_from(SessionRow)).scalar_one() == (path == record)
            return list(connection.execute(query).all())

    assert content(out) == content(record)
