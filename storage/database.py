"""Opening the database: engines, migrations, and all that differs between SQLite and PostgreSQL."""

import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    FromClause,
    Insert,
    create_engine,
    event,
    func,
    literal,
    make_url,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeEngine

from storage.files import Files, spared

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
READERS = 4
BUSY_TIMEOUT_MS = 5_000
_TAKEN = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
"""SQLite's codes for: others are at it."""
_MAIN_FILE = "SELECT file FROM pragma_database_list WHERE name = 'main'"
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_OURS = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")
_REFUSED = (TypeError, ValueError, ArithmeticError)
"""What drivers raise, beside their own errors, for arguments of another kind, and SQLAlchemy for rows of another kind."""
_MIGRATING = 7_305_119_211
_NUMBERING = 7_305_119_212
"""PostgreSQL's advisory locks, of whoever migrates and of who gives ids; the numbers only have to be ours."""
NUMBERED_S = 2.0
"""How long a reader waits for the transactions under way; writers wait meanwhile."""
_SESSION = {
    "timezone": "UTC",
    # A client that vanished must not hold its keys against its own next attempt.
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
    "lock_timeout": "10s",
    "statement_timeout": "60s",
}
_POSTGRESQL: dict[str, str] = {
    "application_name": "stresswire",
    "connect_timeout": "5",
    # A network that was cut is noticed within 11 s; the system's own patience is hours.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
}
"""What a connection is told, where the URL does not say it itself."""


AWAY = (DBAPIError, PoolTimeoutError)
"""What SQLAlchemy raises where the database does not answer."""


class DatabaseError(Exception):
    """The database cannot be opened; the message is one line for the user."""


class Database:
    """The engines on one database: `writer` for the one writing thread, `reader` for any number of readers; and, of SQLite,
    its `files`.

    Raises:
        DatabaseError: the URL cannot be used, the database cannot be opened or not be migrated.
    """

    def __init__(self, url: str) -> None:
        self.files: Files | None = None
        self._told = "ok"
        try:
            self.url = with_driver(url)
        except (ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
            raise DatabaseError("DATABASE_URL is no URL such as sqlite:///var/stresswire.db") from error
        if self.url.get_backend_name() not in ("sqlite", "postgresql"):
            raise DatabaseError(f"DATABASE_URL must be of sqlite or postgresql, not {self.url.get_backend_name()}")
        if self.url.drivername not in _OURS:
            raise DatabaseError(f"DATABASE_URL must begin with sqlite: or postgresql:, not {self.url.drivername}:")
        if self.url.get_backend_name() == "sqlite" and self.url.database in (None, "", ":memory:"):
            raise DatabaseError("DATABASE_URL must name a file, such as sqlite:///var/stresswire.db")
        try:
            with spared(_log_of(self.url)) if self.url.get_backend_name() == "sqlite" else nullcontext():
                self._connect()
                self._migrate()
        except ModuleNotFoundError as error:
            raise DatabaseError(f"the database {self} needs a package more: pip install 'stresswire[postgres]'") from error
        except CommandError as error:
            whose = "was it written by a later stresswire, or by another program?"
            raise DatabaseError(f"cannot open the database {self}: {reason_of(error)}; {whose}") from error
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise DatabaseError(f"cannot open the database {self}: {reason_of(error)}") from error

    def _connect(self) -> None:
        """Make the engines, and connect once: the driver then says whether it takes what the URL asks of it."""
        try:
            _make_file(self.url)
            self.writer = _engine(self.url, pool_size=1, writes=True)
            # One more than the history's threads: whoever reads the logins never waits for them.
            self.reader = _engine(self.url, pool_size=READERS + 1, writes=False)
            self.writer.connect().close()
        except _REFUSED as error:
            where = "see what is after the ? of DATABASE_URL" if self.url.query else "see DATABASE_URL"
            raise DatabaseError(f"cannot open the database {self}: {reason_of(error)}; {where}") from error

    def _migrate(self) -> None:
        try:
            migrate(self.writer)
            self.files = self._files()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads. Raises DatabaseError where the database does not answer, or holds what is no record."""
        try:
            with self.reader.connect() as connection:
                yield connection
        except (SQLAlchemyError, *_REFUSED) as error:
            raise DatabaseError(f"the database {self} cannot be read: {reason_of(error)}") from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes. Raises DatabaseError as `reading`."""
        try:
            with self.writer.begin() as connection:
                yield connection
        except (SQLAlchemyError, *_REFUSED) as error:
            raise DatabaseError(f"the database {self} does not take it: {reason_of(error)}") from error

    def _files(self) -> Files | None:
        """What SQLite has opened. A connection that is opened later must not take what stands there then for the same, nor
        make a file anew: SQLite throws away a log whose file is empty.
        """
        if self.url.get_backend_name() != "sqlite":
            return None
        with self.writer.connect() as connection:
            path: str = connection.exec_driver_sql(_MAIN_FILE).scalar_one()
        files = Files(self.url.database or path, path)
        for engine in (self.writer, self.reader):
            event.listen(engine, "do_connect", lambda *_: files.check())
        return files

    def explain(self, error: BaseException) -> str:
        """What is wrong, in one line; not on the event loop, as files may have to be read."""
        cause = getattr(error, "orig", None) or error
        return (self.files.explain(cause) if self.files is not None else None) or reason_of(cause)

    def tell(self, state: str) -> None:
        """Log how the database is, `ok` or what is wrong, where this is news."""
        if state != self._told:
            self._told = state
            log.log(logging.INFO if state == "ok" else logging.ERROR, "database %s: %s", self, state)

    def close(self) -> None:
        """Give every connection back; SQLite then folds its write-ahead log into the file."""
        files, self.files = self.files, None
        with files.closing() if files is not None else nullcontext():
            self.reader.dispose()
            self.writer.dispose()

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def reason_of(error: BaseException) -> str:
    """What the driver says, in one line: PostgreSQL would then show the whole row."""
    cause = getattr(error, "orig", None) or error
    return str(cause).partition("\n")[0] or type(cause).__name__


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest revision, in one transaction; of several processes one does it, and the rest wait."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # SQLite's writer holds the whole database anyway
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def insert_into(dialect: Dialect, table: type[DeclarativeBase]) -> sqlite.Insert | postgresql.Insert:
    """An ``INSERT`` that can say what to do ``ON CONFLICT``."""
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def least(dialect: Dialect, *values: ColumnElement[Any]) -> ColumnElement[Any]:
    """The least of values in a row."""
    return func.min(*values) if dialect.name == "sqlite" else func.least(*values)


def greatest(dialect: Dialect, *values: ColumnElement[Any]) -> ColumnElement[Any]:
    """The greatest of values in a row."""
    return func.max(*values) if dialect.name == "sqlite" else func.greatest(*values)


def insert_new(dialect: Dialect, table: type[DeclarativeBase], key: Sequence[str]) -> Insert:
    """``INSERT ... ON CONFLICT (key) DO NOTHING``: the rows that are there already are not returned."""
    return insert_into(dialect, table).on_conflict_do_nothing(index_elements=key)


def insert_or_replace(dialect: Dialect, table: type[DeclarativeBase], key: str) -> Insert:
    """``INSERT ... ON CONFLICT (key) DO UPDATE`` of all other columns."""
    insert = insert_into(dialect, table)
    columns = {column.name: insert.excluded[column.name] for column in table.__table__.columns if column.name != key}
    return insert.on_conflict_do_update(index_elements=[key], set_=columns)


def rows_of(dialect: Dialect, columns: Mapping[str, TypeEngine[Any]], rows: Sequence[Sequence[Any]]) -> FromClause:
    """`rows` as a table to join with: one parameter however many they are, where a list of values would be planned for
    each number of them anew (PostgreSQL took 49 ms for 500 keys, of this 3 ms).
    """
    if dialect.name == "sqlite":
        each = func.json_each(json.dumps(rows)).table_valued("value")
        parts = (func.json_extract(each.c.value, f"$[{at}]").label(name) for at, name in enumerate(columns))
        return select(*parts).subquery()
    arrays = (literal([row[at] for row in rows], ARRAY(kind)) for at, kind in enumerate(columns.values()))
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


def numbering(connection: Connection) -> None:
    """From now to its end this transaction gives ids to readings; any number of them may at once. See `numbered`."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock_shared(_NUMBERING)))


def numbered(connection: Connection) -> None:
    """Wait until no transaction is under way that has given ids to readings: what is read after this has no gaps that are
    filled later. On SQLite there is one writer, and ids are committed in their order.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{NUMBERED_S:g}s'"))
        connection.execute(select(func.pg_advisory_xact_lock(_NUMBERING)))


def with_driver(text: str) -> URL:
    """The URL, with the driver that we use. Raises SQLAlchemy's ArgumentError where it is none."""
    url = make_url(text)
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def sqlite_file(text: str) -> Path | None:
    """The file of SQLite that a URL names; None for another database, and for what is no URL, which opening it says."""
    try:
        url = with_driver(text)
    except (ArgumentError, ValueError):
        return None
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def _make_file(url: URL) -> None:
    """SQLite's file, where it is not there yet: health data, so nobody else may read it."""
    if url.get_backend_name() == "sqlite" and url.database:
        path = Path(url.database)
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = _log_of(url)
        if not (path.exists() and path.stat().st_size) and kept.exists() and kept.stat().st_size:
            # SQLite would throw the log away, and with it what was committed last.
            raise DatabaseError(
                f"{path} is {'empty' if path.exists() else 'not there'}, and its log {path}-wal has what was stored last:"
                " put the file back and start again; or move the log away, and restore a backup or begin with nothing"
            )
        path.touch(mode=0o600)
        if not (path.is_file() or path.is_dir()):  # SQLite itself says that of a folder
            raise ValueError("it is not a regular file")


def _log_of(url: URL) -> Path:
    """SQLite's log: beside the file, also where the URL names a link to it."""
    return Path(f"{Path(url.database or '').resolve()}-wal")


def _engine(url: URL, pool_size: int, *, writes: bool) -> Engine:
    if url.get_backend_name() == "postgresql":
        told = {name: value for name, value in _POSTGRESQL.items() if name not in url.query}
        # The writer tries again anyway; a reader asks first whether its connection still lives.
        engine = create_engine(url, pool_size=pool_size, max_overflow=0, pool_pre_ping=not writes, connect_args=told)
        event.listen(engine, "connect", _prepare_postgresql)
        return engine
    # Whatever the URL says: a pool hands its connections from thread to thread.
    engine = create_engine(url, pool_size=pool_size, max_overflow=0, connect_args={"check_same_thread": False})
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
    # The driver of its own begins a transaction only at the first write: too late to read and write in one.
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    try:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        _use_wal(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        connection.close()  # now, not when it is collected: see `spared`
        raise


def _use_wal(connection: Any) -> None:
    """Several processes may want it at once, for the first time: there SQLite gives up without its busy timeout."""
    give_up_s = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if time.monotonic() > give_up_s or error.sqlite_errorcode & 0xFF not in _TAKEN:
                raise
            time.sleep(0.01)
        else:
            return


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    """A commit is on the disk when it returns; who asked for more than that, such as a replica's disk, keeps it."""
    setting = "'synchronous_commit'"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT set_config({setting}, 'on', false) WHERE current_setting({setting}) = 'off'")
    connection.commit()
