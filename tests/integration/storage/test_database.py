"""Opening and migrating real databases."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, insert, inspect, select, text

from storage.database import Database, DatabaseError, migrate
from storage.engines import BUSY_TIMEOUT_MS
from storage.revisions import known_revisions
from storage.tables import AlertAction, Base
from tests.support.postgres import FAST, PostgresServer


def url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_the_migrations_make_exactly_the_tables(database: Database) -> None:
    with database.reader.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []
        assert set(inspect(connection).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_the_comparison_sees_a_difference(database: Database) -> None:
    with database.writer.begin() as connection:
        connection.execute(text("DROP INDEX ix_history_stress_timestamp"))
        connection.execute(text("ALTER TABLE alerts ADD COLUMN extra INTEGER"))
    with database.reader.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
        assert {str(one[0]) for one in differences} == {"add_index", "remove_column"}


def revision(database_url: str) -> list[str]:
    with Database(database_url) as database, database.reader.connect() as connection:
        return list(connection.execute(text("SELECT version_num FROM alembic_version")).scalars())


def test_processes_that_migrate_at_once_do_not_mind_each_other(database_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        assert len({str(one) for one in threads.map(revision, [database_url] * 8)}) == 1


KILLED = """
import os, signal, sys
from sqlalchemy import Engine, event
from storage.database import Database

statements = 0

def count(*_):
    global statements
    statements += 1
    if statements == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

event.listen(Engine, "before_cursor_execute", count)
Database(sys.argv[1]).close()
print(statements)
"""


def killed_at(database_url: str, statement: int) -> subprocess.CompletedProcess[str]:
    """Migrate, and be killed before that statement."""
    command = [sys.executable, "-c", KILLED, database_url, str(statement)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_migration_that_is_killed_is_done_whole_the_next_time(database_url: str) -> None:
    statement = 4
    while (killed := killed_at(database_url, statement)).returncode == -signal.SIGKILL:
        statement += 9
    assert killed.returncode == 0, killed.stderr
    assert int(killed.stdout) > 4
    assert statement > 20
    with Database(database_url) as database, database.reader.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_a_commit_in_postgresql_is_on_the_disk_whatever_the_server_says(postgres: PostgresServer) -> None:
    with Database(postgres.create()) as database, database.writer.begin() as connection:
        assert "synchronous_commit=off" in FAST
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "on"
        assert connection.execute(text("SHOW timezone")).scalar_one() == "UTC"


def test_what_the_url_says_of_the_connection_stands(postgres: PostgresServer) -> None:
    told = postgres.create() + "?application_name=laboratory&options=-c%20synchronous_commit%3Dremote_apply"
    with Database(told) as database, database.writer.begin() as connection:
        assert connection.execute(text("SHOW application_name")).scalar_one() == "laboratory"
        assert connection.execute(text("SHOW synchronous_commit")).scalar_one() == "remote_apply"


def ids_after_all_rows_were_deleted(connection: Connection) -> list[int]:
    insert = text(
        "INSERT INTO rejected (device_id, received_at, code, message, payload, length, sha256)"
        " VALUES ('d', '2024-01-01', 'c', 'm', x'', 0, '') RETURNING id"
    )
    first: int = connection.execute(insert).scalar_one()
    connection.execute(text("DELETE FROM rejected"))
    second: int = connection.execute(insert).scalar_one()
    return [first, second]


def test_an_id_is_never_given_twice(tmp_path: Path) -> None:
    with Database(url(tmp_path / "a.db")) as database, database.writer.begin() as connection:
        assert ids_after_all_rows_were_deleted(connection) == [1, 2]
        tables = connection.execute(text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")).scalars()
        assert set(tables) == {"history_stress", "alerts", "rejected", "outbox", "audit", "alert_actions", "annotations"}


def pragma(engine: Engine, name: str) -> object:
    with engine.connect() as connection:
        return connection.execute(text(f"PRAGMA {name}")).scalar_one()


def test_every_connection_is_durable_and_waits_its_turn(tmp_path: Path) -> None:
    with Database(url(tmp_path / "a.db")) as database:
        for engine in (database.writer, database.reader):
            assert pragma(engine, "journal_mode") == "wal"
            assert pragma(engine, "synchronous") == 2  # FULL
            assert pragma(engine, "busy_timeout") == BUSY_TIMEOUT_MS
            assert pragma(engine, "foreign_keys") == 1


def test_a_reader_reads_while_a_transaction_writes(tmp_path: Path) -> None:
    count = text("SELECT count(*) FROM device_state")
    with Database(url(tmp_path / "a.db")) as database:
        with database.writer.begin() as writer:
            writer.execute(text("INSERT INTO device_state VALUES ('d', 1, '2024-01-01', x'', NULL)"))
            with database.reader.connect() as reader:
                assert reader.execute(count).scalar_one() == 0
        with database.reader.connect() as reader:
            assert reader.execute(count).scalar_one() == 1


def test_the_writer_takes_the_lock_at_the_beginning(tmp_path: Path) -> None:
    with Database(url(tmp_path / "a.db")) as database, database.writer.begin() as connection:
        connection.execute(text("SELECT 1"))
        other = sqlite3.connect(tmp_path / "a.db", timeout=0)
        with closing(other), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")


def test_migrating_twice_is_harmless(database_url: str) -> None:
    with Database(database_url) as database:
        with database.writer.begin() as connection:
            connection.execute(text("INSERT INTO device_state VALUES ('d', 1, '2024-01-01', '', NULL)"))
        migrate(database.writer)
    with Database(database_url) as database, database.reader.connect() as connection:
        assert connection.execute(text("SELECT device_id FROM device_state")).scalars().all() == ["d"]
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar_one() == 1


def test_a_missing_folder_is_made(tmp_path: Path) -> None:
    with Database(url(tmp_path / "x" / "y" / "a.db")):
        assert (tmp_path / "x" / "y" / "a.db").is_file()


def test_close_folds_the_log_into_the_file(tmp_path: Path) -> None:
    with Database(url(tmp_path / "a.db")):
        assert (tmp_path / "a.db-wal").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a.db"]


def refusal(bad_url: str) -> str:
    with pytest.raises(DatabaseError) as refused:
        Database(bad_url)
    message = str(refused.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("bad_url", "reason"),
    [
        ("", "DATABASE_URL is no URL"),
        ("no url", "DATABASE_URL is no URL"),
        ("sqlite", "DATABASE_URL is no URL"),
        ("nosuch://host/db", "DATABASE_URL must be of sqlite or postgresql, not nosuch"),
        ("postgresql://host:abc/db", "DATABASE_URL is no URL"),
        ("sqlite+nosuch:///a.db", "DATABASE_URL must begin with sqlite: or postgresql:, not sqlite+nosuch:"),
        ("postgresql+asyncpg://host/db", "DATABASE_URL must begin with sqlite: or postgresql:"),
        ("postgresql://me:secret@127.0.0.1:1/db", "the database postgresql+psycopg://me:***@127.0.0.1:1/db"),
    ],
)
def test_a_bad_url_is_one_line(bad_url: str, reason: str) -> None:
    message = refusal(bad_url)
    assert reason in message
    assert "secret" not in message


@pytest.mark.parametrize(
    "asked",
    [
        "timeout=abc",
        "detect_types=x",
        "check_same_thread=x",
        "cached_statements=x",
        "cached_statements=99999999999999999999",
        "timeout=1&timeout=2",
    ],
)
def test_what_sqlite_does_not_take_is_one_line(tmp_path: Path, asked: str) -> None:
    message = refusal(f"{url(tmp_path / 'a.db')}?{asked}")
    assert "see what is after the ? of DATABASE_URL" in message


@pytest.mark.parametrize("asked", ["row_factory=x", "prepare_threshold=x", "client_encoding=SQL_ASCII"])
def test_what_postgresql_does_not_take_is_one_line(postgres: PostgresServer, asked: str) -> None:
    assert "see what is after the ? of DATABASE_URL" in refusal(f"{postgres.create()}?{asked}")


def test_connections_go_from_thread_to_thread_whatever_the_url_says(tmp_path: Path) -> None:
    with Database(f"{url(tmp_path / 'a.db')}?check_same_thread=true") as database, ThreadPoolExecutor(1) as thread:
        assert thread.submit(pragma, database.writer, "foreign_keys").result() == 1


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_a_pipe_or_a_device_is_one_line(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "a.db")
    assert "it is not a regular file; see DATABASE_URL" in refusal(url(tmp_path / "a.db"))


def test_a_directory_is_one_line(tmp_path: Path) -> None:
    assert refusal(url(tmp_path)) == f"cannot open the database {url(tmp_path)}: unable to open database file"


def test_a_file_that_is_no_database_is_one_line_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be taken for one by somebody careless\n" * 20)
    before = path.read_bytes()
    assert refusal(url(path)) == f"cannot open the database {url(path)}: file is not a database"
    assert path.read_bytes() == before


def test_a_file_where_a_folder_should_be_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot open the database" in refusal(url(tmp_path / "file" / "a.db"))


def test_what_waiting_does_not_mend_is_not_waited_for(tmp_path: Path) -> None:
    with Database(url(tmp_path / "a.db")):
        pass
    (tmp_path / "a.db-wal").mkdir()
    began_s = time.monotonic()
    assert "unable to open database file" in refusal(url(tmp_path / "a.db"))
    assert time.monotonic() - began_s < BUSY_TIMEOUT_MS / 2_000


def test_a_database_of_a_later_version_is_one_line(database_url: str) -> None:
    with Database(database_url) as database, database.writer.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    newest = known_revisions()[-1]
    words = f"its revision 9999 is of a later stresswire: use one that knows 9999; this one knows 0001 to {newest}"
    assert refusal(database_url).endswith(words)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("as it is: \u00e9\U0001f600", "as it is: \u00e9\U0001f600"),
        ("a\0b", "a\N{REPLACEMENT CHARACTER}b"),
        ("half \ud83d", "half ?"),
        ("\udcff", "?"),
        (None, None),
    ],
)
def test_text_that_somebody_wrote_is_taken_by_every_database(
    database: Database, written: str | None, kept: str | None
) -> None:
    row = {"alert_id": 1, "at": datetime(2026, 1, 1, tzinfo=UTC), "login": None, "action": "comment", "text": written}
    with database.writer.begin() as connection:
        connection.execute(insert(AlertAction).values(row))
        assert connection.execute(select(AlertAction.text)).scalar_one() == kept
        assert connection.execute(select(AlertAction.id).where(AlertAction.text == written)).all() == [(1,)]
