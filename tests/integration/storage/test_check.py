"""What is found in the record, and in files that people take for a copy of it; nothing is changed by looking."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from storage.backup import back_up
from storage.check import Finding, check_file, check_server
from storage.database import Database, usable_url
from storage.readings import insert_readings
from storage.revisions import known_revisions
from tests.support.postgres import PostgresServer
from tests.support.rows import row

NEWEST = known_revisions()[-1]


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """A record with readings that nobody has open."""
    path = tmp_path / "record.db"
    with Database(f"sqlite:///{path}") as database, database.writing() as connection:
        insert_readings(connection, [row(number) for number in range(1_000)])
        connection.commit()
    return path


def content(folder: Path) -> dict[str, bytes | None]:
    return {path.name: path.read_bytes() if path.is_file() else None for path in folder.iterdir()}


def bad(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.part, finding.detail) for finding in findings if not finding.ok]


def statements(*executed: str) -> Callable[[Path], Path]:
    def made(record: Path) -> Path:
        with closing(sqlite3.connect(record)) as connection:
            for statement in executed:
                connection.execute(statement)
            connection.commit()
        return record

    return made


def written(data: bytes) -> Callable[[Path], Path]:
    def made(record: Path) -> Path:
        (record.parent / "copy.db").write_bytes(data)
        return record.parent / "copy.db"

    return made


def damaged(record: Path) -> Path:
    with record.open("r+b") as file:
        file.seek(4096 * (record.stat().st_size // 4096 * 2 // 3))
        file.write(b"\xff" * 4096)
    return record


def index_without_a_row(record: Path) -> Path:
    """SQLite's own quick check does not notice."""
    return statements(
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_master SET sql = 'CREATE INDEX ix_history_stress_timestamp ON history_stress (received_at)'"
        " WHERE name = 'ix_history_stress_timestamp'",
    )(record)


def cut(record: Path) -> Path:
    copy = record.parent / "copy.db"
    copy.write_bytes(record.read_bytes()[: 4096 * 10])
    return copy


def folder(record: Path) -> Path:
    return record.parent


def pipe(record: Path) -> Path:
    os.mkfifo(record.parent / "pipe")
    return record.parent / "pipe"


def young(record: Path) -> Path:
    """What `cp` finds in the .db file of a record that has just begun."""
    copy = record.parent / "copy.db"
    with Database(f"sqlite:///{record.parent}/young.db"):
        shutil.copy(record.parent / "young.db", copy)
    return copy


def log_of_another_day(record: Path) -> Path:
    copy = record.parent / "copy.db"
    shutil.copy(record, copy)
    with Database(f"sqlite:///{record}") as database:
        for first in (1_000, 5_000):
            with database.writer.begin() as connection:
                insert_readings(connection, [row(first + number) for number in range(4_000)])
            if first == 1_000:
                with closing(sqlite3.connect(record)) as other:
                    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(f"{record}-wal", f"{copy}-wal")
    return copy


def empty_with_a_log(record: Path) -> Path:
    (record.parent / "copy.db-wal").write_bytes(b"rows")
    return written(b"")(record)


BAD: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "not there": (lambda record: record.parent / "no.db", "file", "there is no file"),
    "a folder": (folder, "file", "is a folder: name the file in it"),
    "a pipe": (pipe, "file", "is not a regular file"),
    "empty": (written(b""), "file", "is empty: there is nothing in it"),
    "empty, with a log": (empty_with_a_log, "file", "is empty, and its log"),
    "text": (written(b"id,hr\n1,70\n" * 500), "file", "is not a database of SQLite, but another kind of file"),
    "a few bytes of text": (written(b"hello"), "file", "is not a database of SQLite, but another kind of file"),
    "packed by gzip": (written(b"\x1f\x8b\x08\0" + bytes(100)), "file", "is compressed with gzip: unpack it first"),
    "packed by zip": (written(b"PK\3\4" + bytes(100)), "file", "is compressed with zip: unpack it first"),
    "the first bytes alone": (written(b"SQLite format 3\0\x10\0"), "file", "ends too early, after 18 bytes: copy it again"),
    "cut short": (cut, "file", "ends too early: it has 40960 of"),
    "a page overwritten": (damaged, "pages", "damaged: "),
    "an index of something else": (index_without_a_row, "pages", "missing from index ix_history_stress_timestamp"),
    "with a log of another day": (log_of_another_day, "pages", "must have been copied at the same moment"),
    "copied without its log": (young, "tables", "it looks like a copy of the .db file alone, made while stresswire had it"),
    "another program's": (statements("DROP TABLE alembic_version"), "tables", "no tables"),
    "without a revision": (statements("DELETE FROM alembic_version"), "tables", "no tables"),
    "a later one": (
        statements("UPDATE alembic_version SET version_num = '0099'"),
        "revision",
        f"0099 is of a later stresswire: use one that knows 0099; this one knows 0001 to {NEWEST}",
    ),
    "another one's revision": (
        statements("UPDATE alembic_version SET version_num = 'ab12cd'"),
        "revision",
        f"ab12cd is none of stresswire's; this one knows 0001 to {NEWEST}",
    ),
    "without a table": (statements("DROP TABLE alerts", "DROP TABLE outbox"), "tables", "missing: alerts, outbox"),
    "without a column": (statements("ALTER TABLE commands DROP COLUMN login"), "tables", "missing: commands.login"),
    "readings without rollups": (
        statements("DELETE FROM rollups WHERE width_s = 60"),
        "rollups",
        "1000 readings, but 0 in buckets of 60 s: overviews are wrong",
    ),
    "a row that refers to nothing": (
        statements(
            "PRAGMA foreign_keys = OFF",
            "CREATE TABLE mine (of_alert REFERENCES alerts (id))",
            "INSERT INTO mine VALUES (7)",
        ),
        "references",
        "1 rows refer to rows that are not there",
    ),
}


@pytest.mark.parametrize(("make", "part", "words"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_named(record: Path, make: Callable[[Path], Path], part: str, words: str) -> None:
    path = make(record)
    before = content(path.parent)
    found = bad(list(check_file(path, record=False)))
    assert [name for name, _ in found] == [part]
    assert words in found[0][1]
    after = content(path.parent)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() <= {f"{path.name}-shm"}  # SQLite's index of a log that is there


def test_a_record_that_is_well(record: Path) -> None:
    before = content(record.parent)
    found = list(check_file(record, record=True))
    assert [finding.part for finding in found] == ["file", "pages", "revision", "tables", "readings", "rollups"]
    assert bad(found) == []
    assert found[4].detail == "1000, the newest of 2024-12-10 12:16:39 UTC"
    assert content(record.parent) == before


def test_a_record_in_use_is_read_with_its_log(record: Path) -> None:
    with Database(f"sqlite:///{record}") as database:
        with database.writing() as connection:
            insert_readings(connection, [row(1_000)])
            connection.commit()
        for in_use in (True, False):
            found = list(check_file(record, record=in_use))
            assert bad(found) == []
            assert ", log " in found[0].detail
            assert found[4].detail.startswith("1001, ")


def test_a_backup_is_well_and_a_file_that_was_copied_may_lack_the_newest(record: Path) -> None:
    doubt = "if it was copied while stresswire had it open"
    back_up(record, record.parent / "backup.db", lambda: False, replace=False)
    shutil.copy(record, record.parent / "copied.db")
    for name, doubted in (("backup.db", False), ("copied.db", True)):
        found = list(check_file(record.parent / name, record=False))
        assert bad(found) == []
        assert (doubt in found[4].detail) == doubted
    assert content(record.parent).keys() == {"record.db", "backup.db", "copied.db"}


def test_an_older_record_is_well_and_is_not_migrated(record: Path) -> None:
    statements("UPDATE alembic_version SET version_num = '0004'", "DROP TABLE rollups")(record)
    before = content(record.parent)
    found = list(check_file(record, record=True))
    assert bad(found) == []
    words = f"0004 is older than {NEWEST}: `stresswire db upgrade`, or the next start, brings it up"
    assert Finding("revision", True, words) in found
    assert content(record.parent) == before


def test_a_record_without_readings(tmp_path: Path) -> None:
    Database(f"sqlite:///{tmp_path}/a.db").close()
    found = list(check_file(tmp_path / "a.db", record=True))
    assert bad(found) == []
    assert Finding("readings", True, "0") in found


def test_postgresql_is_looked_at_too(postgres: PostgresServer) -> None:
    with Database(postgres.create()) as database:
        with database.writing() as connection:
            insert_readings(connection, [row(1), row(2)])
            connection.commit()
        found = list(check_server(database.url))
        assert bad(found) == []
        assert [finding.part for finding in found] == ["server", "revision", "tables", "readings", "rollups"]
        assert "2, the newest of 2024-12-10 12:00:02 UTC" in found[3].detail
        for statement, part in (
            ("DROP TABLE alerts", "tables"),
            ("UPDATE alembic_version SET version_num = '0099'", "revision"),
            ("DROP TABLE alembic_version", "tables"),
        ):
            with database.writing() as connection:
                connection.execute(text(statement))
                connection.commit()
            assert [name for name, _ in bad(list(check_server(database.url)))] == [part]


def test_a_server_that_is_away_is_one_line_without_its_password() -> None:
    [(part, detail)] = bad(list(check_server(usable_url("postgresql://anna:hunter2@127.0.0.1:1/x"))))
    assert part == "server"
    assert "refused" in detail
    assert "hunter2" not in detail
