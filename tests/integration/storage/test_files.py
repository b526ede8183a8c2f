"""SQLite's files are moved, swapped, cut and overwritten under an open database."""

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, select, text
from sqlalchemy.exc import DBAPIError

from storage.database import Database, DatabaseError
from storage.device_state import save_state
from storage.files import Files, FilesChangedError
from storage.reader import Reader
from storage.tables import DeviceState
from storage.writer import Writer, WriterStoppedError
from tests.support.mqtt.aio import run, until
from tests.support.rows import NOON

Change = Callable[[Path], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The database's file, in a folder that may go away."""
    return tmp_path / "var" / "record.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Database]:
    """An open database of some dozen pages, of which the log has two."""
    with Database(f"sqlite:///{path}") as database:
        with database.writer.begin() as connection:
            for number in range(200):
                save_state(connection, f"old {number}", 1, NOON, bytes(1_000))
        other(path, "PRAGMA wal_checkpoint(TRUNCATE)")
        watched(database).check()
        with database.writer.begin() as connection:
            save_state(connection, "a", 1, NOON, b"")
        watched(database).check()
        yield database


def watched(database: Database) -> Files:
    assert database.files is not None
    return database.files


def other(path: Path, *statements: str) -> None:
    """Another program on the same database."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement).fetchall()


def save(name: str) -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        save_state(connection, name, 1, NOON, b"")
        return name

    return work


def names(path: Path) -> list[str]:
    """The devices that a start after a kill -9 finds: what the files of now hold, and no process."""
    copy = path.parent.with_name("copy")
    shutil.copytree(path.parent, copy, ignore=shutil.ignore_patterns("*-shm"))
    with Database(f"sqlite:///{copy / path.name}") as found, found.reader.connect() as connection:
        query = select(DeviceState.device_id).where(DeviceState.device_id.not_like("old %"))
        return list(connection.execute(query.order_by(DeviceState.device_id)).scalars())


def beside(path: Path, kind: str = "") -> tuple[Path, Path]:
    return path.with_name(path.name + kind), path.parent.with_name("away" + kind)


def away(kind: str) -> Change:
    def change(path: Path) -> None:
        own, kept = beside(path, kind)
        own.rename(kept)

    return change


def swapped(kind: str) -> Change:
    def change(path: Path) -> None:
        own, kept = beside(path, kind)
        own.rename(kept)
        shutil.copy(kept, own)

    return change


def back(kind: str) -> Change:
    def change(path: Path) -> None:
        own, kept = beside(path, kind)
        kept.rename(own)

    return change


def new_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("old"))
    path.parent.mkdir()


def file_for_a_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("old"))
    path.parent.touch()


def folder_again(path: Path) -> None:
    path.parent.unlink()
    path.parent.with_name("old").rename(path.parent)


def old_folder(path: Path) -> None:
    path.parent.rmdir()
    path.parent.with_name("old").rename(path.parent)


MOVED: dict[str, tuple[Change, Change, str]] = {
    "the file is renamed": (away(""), back(""), "record.db was removed or renamed"),
    "the file is swapped": (swapped(""), back(""), "record.db was replaced by another file"),
    "the log is renamed": (away("-wal"), back("-wal"), "record.db-wal was removed or renamed"),
    "the log is swapped": (swapped("-wal"), back("-wal"), "record.db-wal was replaced by another file"),
    "the index is renamed": (away("-shm"), back("-shm"), "record.db-shm was removed or renamed"),
    "the folder is a file": (file_for_a_folder, folder_again, "record.db cannot be reached (Not a directory)"),
    "the folder is swapped": (new_folder, old_folder, "record.db was removed or renamed"),
}


@pytest.mark.parametrize("what", MOVED)
def test_what_is_moved_is_said_and_nothing_is_stored_until_it_is_back(
    what: str, opened: Database, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    change, undo, says = MOVED[what]

    async def main() -> None:
        async with Writer(opened) as writer, Reader(opened) as reader:
            assert await reader.state() == "ok"
            change(path)
            there = sorted(path.parents[1].rglob("*"))
            state = await reader.state()
            assert says in state
            assert "and the server goes on" in state
            held = asyncio.create_task(writer.run(save("b")))
            await until(lambda: writer.state != "ok")
            assert writer.state == state
            # Nor does a connection that is opened now make a file, or take another one for the same.
            both = await asyncio.gather(*(reader.run(slowly) for _ in range(2)), return_exceptions=True)
            assert any(says in str(one) for one in both)
            assert sorted(path.parents[1].rglob("*")) == there
            undo(path)
            assert await held == "b"
            assert await reader.state() == "ok"

    run(main)
    assert [one.levelname for one in caplog.records if says in one.message] == ["ERROR"]
    assert names(path) == ["a", "b"]


def slowly(connection: Connection) -> int:
    time.sleep(0.1)
    return int(connection.execute(text("SELECT 1")).scalar_one())


@pytest.mark.parametrize("moment", ["begin", "commit"])
def test_what_is_committed_into_a_file_that_has_gone_is_not_told(moment: str, opened: Database, path: Path) -> None:
    own, kept = beside(path)

    def goes(_connection: Connection) -> None:
        if not kept.exists():
            own.rename(kept)

    async def main() -> None:
        async with Writer(opened) as writer:
            event.listen(opened.writer, moment, goes)
            held = asyncio.create_task(writer.run(save("b")))
            await until(lambda: writer.state != "ok")
            assert not held.done()
            event.remove(opened.writer, moment, goes)
            kept.rename(own)
            assert await held == "b"

    run(main)
    assert names(path) == ["a", "b"]


@pytest.mark.parametrize("kind", ["-wal", "-shm"])
def test_what_the_log_alone_had_is_in_the_file_once_it_is_said(kind: str, opened: Database, path: Path) -> None:
    async def main() -> None:
        async with Reader(opened) as reader:
            path.with_name(path.name + kind).unlink()
            assert "not with kill -9" in await reader.state()

    run(main)
    path.with_name("record.db-wal").unlink(missing_ok=True)
    assert names(path) == ["a"]


CUT: dict[str, tuple[str, Callable[[int], int]]] = {
    "the file, to nothing": ("", lambda _: 0),
    "the file, to one page": ("", lambda _: 4_096),
    "the file, to half": ("", lambda size: size // 2),
    "the log, to nothing": ("-wal", lambda _: 0),
    "the log, to half": ("-wal", lambda size: size // 2),
}


@pytest.mark.parametrize("what", CUT)
def test_what_is_cut_short_is_said_and_nothing_is_stored_any_more(what: str, opened: Database, path: Path) -> None:
    kind, size = CUT[what]
    file = path.with_name(path.name + kind)
    content = file.read_bytes()

    async def main() -> None:
        async with Writer(opened) as writer, Reader(opened) as reader:
            os.truncate(file, size(len(content)))
            held = asyncio.create_task(writer.run(save("b")))
            await until(lambda: writer.state != "ok")
            assert writer.state == await reader.state()
            assert f"record.db{kind} was cut short" in writer.state
            assert "restore a backup" in writer.state
            # What SQLite knows and what is there are two things by now: only a new start can tell.
            with file.open("r+b") as again:
                again.write(content)
            assert "was cut short" in await reader.state()
            writer.stop()
            await asyncio.gather(held, return_exceptions=True)

    run(main)
    log = path.with_name("record.db-wal").read_bytes()
    opened.close()
    assert path.with_name("record.db-wal").read_bytes() == log
    assert names(path) == ["a"]


def test_a_log_that_is_cut_short_in_a_transaction_takes_no_commit(opened: Database, path: Path) -> None:
    """After the commit it would be as long as before."""

    def work(connection: Connection) -> str:
        os.truncate(path.with_name("record.db-wal"), 0)
        return save("b")(connection)

    async def main() -> None:
        async with Writer(opened) as writer:
            held = asyncio.create_task(writer.run(work))
            await until(lambda: "was cut short" in writer.state)
            writer.stop()
            await asyncio.gather(held, return_exceptions=True)
            assert isinstance(held.exception(), WriterStoppedError)

    run(main)


def test_a_log_that_is_cut_short_while_somebody_reads_has_no_gap(opened: Database, path: Path) -> None:
    async def main() -> None:
        async with Writer(opened) as writer:
            with opened.reader.connect() as connection:
                connection.execute(text("SELECT count(*) FROM device_state")).scalar_one()
                empty_a_folded_log(path)
                held = asyncio.create_task(writer.run(save("b")))
                await until(lambda: "and nothing is missing" in writer.state)
                assert not held.done()
            assert await held == "b"

    run(main)
    assert names(path) == ["a", "b"]


def test_a_file_of_which_the_log_has_everything_is_made_whole(path: Path) -> None:
    async def main() -> None:
        with Database(f"sqlite:///{path}") as database:
            async with Writer(database) as writer, Reader(database) as reader:
                await writer.run(save("a"))
                os.truncate(path, 0)
                assert await writer.run(save("b")) == "b"
                assert await reader.state() == "ok"
                assert names(path) == ["a", "b"]

    run(main)


def vacuum(path: Path) -> None:
    other(path, "DELETE FROM device_state WHERE device_id != 'a'", "VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)")


def truncating_checkpoint(path: Path) -> None:
    other(path, "PRAGMA wal_checkpoint(TRUNCATE)")


def empty_a_folded_log(path: Path) -> None:
    other(path, "PRAGMA wal_checkpoint(PASSIVE)")
    os.truncate(path.with_name("record.db-wal"), 0)


@pytest.mark.parametrize("tidy", [vacuum, truncating_checkpoint, empty_a_folded_log])
def test_what_another_program_has_cleared_up_is_well(tidy: Change, opened: Database, path: Path) -> None:
    async def main() -> None:
        async with Writer(opened) as writer, Reader(opened) as reader:
            sizes = [path.with_name(path.name + kind).stat().st_size for kind in ("", "-wal")]
            tidy(path)
            assert [path.with_name(path.name + kind).stat().st_size for kind in ("", "-wal")] < sizes
            assert await writer.run(save("b")) == "b"
            assert await reader.state() == "ok"

    run(main)
    assert names(path) == ["a", "b"]


def another_database(path: Path) -> None:
    path.touch()
    other(path, "CREATE TABLE theirs (a)")


def older_copy(path: Path) -> None:
    Database(f"sqlite:///{path}").close()


@pytest.mark.parametrize("make", [another_database, older_copy])
@pytest.mark.parametrize("size", ["shorter", "longer"])
def test_another_database_in_the_place_of_the_file_is_said(
    size: str, make: Change, opened: Database, path: Path, tmp_path: Path
) -> None:
    make(tmp_path / "other.db")
    if size == "longer":
        os.truncate(tmp_path / "other.db", 2 * path.stat().st_size)

    async def main() -> None:
        async with Writer(opened) as writer, Reader(opened) as reader:
            insert = "INSERT INTO annotations (device_id, start, label, source, created_at) VALUES ('a', '', '', '', '')"
            await writer.run(lambda connection: connection.execute(text(insert)).close())
            other(path, "PRAGMA wal_checkpoint(TRUNCATE)")
            await writer.run(lambda connection: connection.execute(text("SELECT 1")).close())
            assert await reader.state() == "ok"
            shutil.copyfile(tmp_path / "other.db", path)
            state = await reader.state()
            assert "record.db has become another database, or an older copy: stop the server" in state
            held = asyncio.create_task(writer.run(save("b")))
            await until(lambda: writer.state != "ok")
            assert writer.state == state
            writer.stop()
            await asyncio.gather(held, return_exceptions=True)

    run(main)


@pytest.mark.parametrize(("at", "says"), [(0, "is no database any more"), (100, "is damaged")])
def test_after_damage_was_seen_nothing_is_stored(at: int, says: str, opened: Database, path: Path) -> None:
    async def main() -> None:
        async with Writer(opened) as writer, Reader(opened) as reader:
            other(path, "PRAGMA wal_checkpoint(TRUNCATE)")
            await writer.run(lambda connection: connection.execute(text("SELECT 1")).close())
            with path.open("r+b") as file:
                file.seek(at)
                file.write(b"\xff" * 60)
            began_s = time.monotonic()
            opened.reader.dispose()
            with pytest.raises(DBAPIError):
                await reader.run(slowly)
            state = await reader.state()
            assert time.monotonic() - began_s < 2
            assert says in state
            held = asyncio.create_task(writer.run(save("b")))
            await until(lambda: writer.state != "ok")
            assert writer.state == state
            writer.stop()
            await asyncio.gather(held, return_exceptions=True)

    run(main)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("SQLITE_CORRUPT_INDEX", "record.db is damaged: stop"),
        ("SQLITE_NOTADB", "record.db is no database any more: stop"),
        ("SQLITE_IOERR_SHORT_READ", "record.db or record.db-wal ends too early: stop"),
        ("SQLITE_CANTOPEN_ISDIR", "record.db cannot be opened: let the server's user"),
        ("SQLITE_READONLY_DBMOVED", "record.db is read-only: let the server's user"),
        ("SQLITE_FULL", "database or disk is full: make room"),
        ("SQLITE_IOERR_WRITE", "disk I/O error at record.db: see that its disk"),
        ("SQLITE_BUSY", None),
        ("", None),
    ],
)
def test_every_error_says_what_to_do(code: str, says: str | None, tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL").fetchall()
        connection.execute("CREATE TABLE a (b INTEGER PRIMARY KEY AUTOINCREMENT)")
        error = sqlite3.OperationalError("in SQLite's words")
        error.sqlite_errorname = code
        with closing(Files(str(path), str(path))) as files:
            files_say = files.explain(error)
    assert (files_say is None) == (says is None)
    assert (files_say or "").replace(f"{tmp_path}/", "").startswith(says or "")
    assert "\n" not in (files_say or "")


def test_a_link_to_the_file_is_as_good(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.mkdir()
    link.mkdir()
    (real / "a.db").touch()
    (link / "a.db").symlink_to(real / "a.db")

    async def main() -> None:
        with Database(f"sqlite:///{link / 'a.db'}") as database:
            async with Reader(database) as reader:
                assert await reader.state() == "ok"
                (real / "b.db").touch()
                (link / "a.db").unlink()
                (link / "a.db").symlink_to(real / "b.db")
                assert f"{link / 'a.db'} was replaced" in await reader.state()

    run(main)


@pytest.mark.parametrize("left", ["nothing", "an empty file", "a damaged file"])
def test_a_log_whose_file_is_lost_is_not_thrown_away(left: str, opened: Database, path: Path, tmp_path: Path) -> None:
    with opened.writer.begin() as connection:
        save_state(connection, "b", 1, NOON, b"")
    lost = tmp_path / "lost" / "record.db"
    lost.parent.mkdir()
    log = lost.with_name("record.db-wal")
    shutil.copy(path.with_name("record.db-wal"), log)
    if left == "an empty file":
        lost.touch()
    if left == "a damaged file":
        lost.write_bytes(bytes(path.stat().st_size))
    before = log.read_bytes()
    with pytest.raises(
        DatabaseError, match=r"its log .*record.db-wal has what was stored last: put the file back|file is not a database"
    ):
        Database(f"sqlite:///{lost}")
    assert log.read_bytes() == before
    shutil.copy(path, lost)
    assert names(lost) == ["a", "b"]


def test_nobody_waits_for_long_while_a_file_is_read_through(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.files._PATIENCE_S", 0.01)
    files = sqlite_database.files
    assert files is not None
    with files._lock:
        for look in (files.check, files.unchanged, files.look):
            with pytest.raises(FilesChangedError, match="the server looks what is missing"):
                look()
    files.look()
