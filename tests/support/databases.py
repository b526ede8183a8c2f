"""Changes to a database by another client than the product, on SQLite and on PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import NullPool

from storage.database import Database

_REFUSE = {
    "sqlite": "CREATE TRIGGER refuse BEFORE INSERT ON history_stress WHEN NEW.hr = {hr} "
    "BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    "postgresql": "ALTER TABLE history_stress ADD CONSTRAINT not_this_one CHECK (hr IS DISTINCT FROM {hr})",
}
NO_TABLE = {"sqlite": "no such table: {table}", "postgresql": 'relation "{table}" does not exist'}
"""Message of each database for a missing table."""


@contextmanager
def another(database: Database) -> Iterator[Connection]:
    """Yield another client's connection, which commits each statement."""
    engine = create_engine(database.url, poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection
    engine.dispose()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock of an SQLite file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def hidden(database: Database, table: str) -> Iterator[None]:
    """Rename a table, so that it is missing, until the block ends."""
    with another(database) as connection:
        connection.exec_driver_sql(f"ALTER TABLE {table} RENAME TO hidden")
        yield
        connection.exec_driver_sql(f"ALTER TABLE hidden RENAME TO {table}")


def refuse(database: Database, hr: float) -> None:
    """Make the database reject readings with this heart rate."""
    with another(database) as connection:
        connection.exec_driver_sql(_REFUSE[database.writer.dialect.name].format(hr=hr))


def no_table(database: Database, table: str) -> str:
    """Return the database's message for a missing table."""
    return NO_TABLE[database.writer.dialect.name].format(table=table)
