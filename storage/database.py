"""Opening the database: its URL, its file, its engines and its migrations."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

from alembic import command
from alembic.config import Config
from sqlalchemy import (
    Connection,
    Engine,
    event,
    func,
    make_url,
    select,
)
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from storage.engines import make_engine
from storage.files import Files, spared
from storage.revisions import MIGRATIONS, RevisionError, check_revision

log = logging.getLogger(__name__)

READERS = 4
_MAIN_FILE = "SELECT file FROM pragma_database_list WHERE name = 'main'"
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
_OURS = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")
_REFUSED = (TypeError, ValueError, ArithmeticError)
"""Raised by drivers, beside their own errors, for arguments of a wrong type, and by SQLAlchemy for rows of a wrong type."""
_MIGRATING = 7_305_119_211
"""PostgreSQL's advisory lock for migrations; the number only has to be unique."""

AWAY = (DBAPIError, PoolTimeoutError)
"""Raised by SQLAlchemy if the database does not answer."""


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
        self._logged_state = "ok"
        self.url = usable_url(url)
        try:
            with spared(_log_of(self.url)) if self.url.get_backend_name() == "sqlite" else nullcontext():
                self._connect()
                self._migrate()
        except ModuleNotFoundError as error:
            raise DatabaseError(f"the database {self} needs a package more: pip install 'stresswire[postgres]'") from error
        except RevisionError as error:
            raise DatabaseError(f"cannot open the database {self}: its revision {error}") from error
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise DatabaseError(f"cannot open the database {self}: {reason_of(error)}") from error

    def _connect(self) -> None:
        """Make the engines, and connect once: the driver then says whether it takes what the URL asks of it."""
        try:
            _make_file(self.url)
            self.writer = make_engine(self.url, pool_size=1, writes=True)
            # One more than the history's threads: a reader of logins never waits for them.
            self.reader = make_engine(self.url, pool_size=READERS + 1, writes=False)
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
        """A transaction that reads. Raises DatabaseError if the database does not answer, or holds something else."""
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
        """The files that SQLite has opened. Connections that are opened later check them first: they must not open another
        file at the same path, nor make a new one, as SQLite deletes the log of an empty file.
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
        """Return the cause of an error in one line. Do not call it on the event loop: files may have to be read."""
        cause = getattr(error, "orig", None) or error
        return (self.files.explain(cause) if self.files is not None else None) or reason_of(cause)

    def log_state(self, state: str) -> None:
        """Log the state of the database, `ok` or an error, if it has changed."""
        if state != self._logged_state:
            self._logged_state = state
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
    """Return the first line of the driver's message: after it PostgreSQL shows the whole row."""
    cause = getattr(error, "orig", None) or error
    return str(cause).partition("\n")[0] or type(cause).__name__


def migrate(engine: Engine) -> None:
    """Migrate the tables to the newest revision in one transaction; of several processes one does it, and the rest wait.

    Raises `RevisionError` if it has tables of a revision that this release does not know.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":  # SQLite's writer holds the whole database anyway
            connection.execute(select(func.pg_advisory_xact_lock(_MIGRATING)))
        check_revision(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def with_driver(text: str) -> URL:
    """Parse a URL, and set the driver that this program uses. Raises SQLAlchemy's ArgumentError if it is none."""
    url = make_url(text)
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def usable_url(text: str) -> URL:
    """Parse a URL as `with_driver`. Raises `DatabaseError` if it names no database that this program can use."""
    try:
        url = with_driver(text)
    except (ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
        raise DatabaseError("DATABASE_URL is no URL such as sqlite:///var/stresswire.db") from error
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise DatabaseError(f"DATABASE_URL must be of sqlite or postgresql, not {url.get_backend_name()}")
    if url.drivername not in _OURS:
        raise DatabaseError(f"DATABASE_URL must begin with sqlite: or postgresql:, not {url.drivername}:")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise DatabaseError("DATABASE_URL must name a file, such as sqlite:///var/stresswire.db")
    return url


def file_of(url: URL) -> Path | None:
    """The file of SQLite that a URL names; None for another database."""
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


def sqlite_file(text: str) -> Path | None:
    """The file of SQLite that a URL names; None for another database, and for what is no URL, which opening it says."""
    try:
        url = with_driver(text)
    except (ArgumentError, ValueError):
        return None
    return file_of(url)


def _make_file(url: URL) -> None:
    """Create SQLite's file if it does not exist, for the user alone: it will hold health data."""
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
    """The path of SQLite's write-ahead log: beside the file, also if the URL names a link to it."""
    return Path(f"{Path(url.database or '').resolve()}-wal")
