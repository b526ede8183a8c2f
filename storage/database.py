"""Opening the database: engines, migrations, and all that differs between SQLite and PostgreSQL."""

import logging
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Dialect, Engine, Insert, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase

log = logging.getLogger(__name__)

READERS = 4
BUSY_TIMEOUT_MS = 5_000
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


class DatabaseError(Exception):
    """The database cannot be opened; the message is one line for the user."""


class Database:
    """The engines on one database: `writer` for the one writing thread, `reader` for any number of readers.

    Raises:
        DatabaseError: the URL cannot be used, the database cannot be opened or not be migrated.
    """

    def __init__(self, url: str) -> None:
        try:
            self.url = _with_driver(make_url(url))
        except ArgumentError as error:
            raise DatabaseError("DATABASE_URL is no URL such as sqlite:///var/stresswire.db") from error
        if self.url.get_backend_name() not in ("sqlite", "postgresql"):
            raise DatabaseError(f"DATABASE_URL must be of sqlite or postgresql, not {self.url.get_backend_name()}")
        if self.url.get_backend_name() == "sqlite" and self.url.database in (None, "", ":memory:"):
            raise DatabaseError("DATABASE_URL must name a file, such as sqlite:///var/stresswire.db")
        try:
            _make_file(self.url)
            self.writer = _engine(self.url, pool_size=1, begin="BEGIN IMMEDIATE")
            # One more than the history's threads: whoever reads the logins never waits for them.
            self.reader = _engine(self.url, pool_size=READERS + 1, begin="BEGIN")
            migrate(self.writer)
        except ModuleNotFoundError as error:
            raise DatabaseError(f"the database {self} needs a package more: pip install 'stresswire[postgres]'") from error
        except (SQLAlchemyError, CommandError, OSError, NoSuchModuleError) as error:
            cause = getattr(error, "orig", None) or error
            raise DatabaseError(f"cannot open the database {self}: {cause}".splitlines()[0]) from error

    def close(self) -> None:
        """Give every connection back; SQLite then folds its write-ahead log into the file."""
        self.reader.dispose()
        self.writer.dispose()

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest revision, in one transaction."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def insert_new(dialect: Dialect, table: type[DeclarativeBase], key: Sequence[str]) -> Insert:
    """``INSERT ... ON CONFLICT (key) DO NOTHING``: the rows that are there already are not returned."""
    if dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing(index_elements=key)
    return postgresql.insert(table).on_conflict_do_nothing(index_elements=key)


def insert_or_replace(dialect: Dialect, table: type[DeclarativeBase], key: str) -> Insert:
    """``INSERT ... ON CONFLICT (key) DO UPDATE`` of all other columns."""
    insert = sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)
    columns = {column.name: insert.excluded[column.name] for column in table.__table__.columns if column.name != key}
    return insert.on_conflict_do_update(index_elements=[key], set_=columns)


def _with_driver(url: URL) -> URL:
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def _make_file(url: URL) -> None:
    """SQLite's file, where it is not there yet: health data, so nobody else may read it."""
    if url.get_backend_name() == "sqlite" and url.database:
        path = Path(url.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)


def _engine(url: URL, pool_size: int, begin: str) -> Engine:
    engine = create_engine(url, pool_size=pool_size, max_overflow=0, pool_pre_ping=url.get_backend_name() != "sqlite")
    if engine.dialect.name == "sqlite":
        # The driver of its own begins a transaction only at the first write: too late to read and write in one.
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
