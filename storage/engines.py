"""Engines for SQLite and PostgreSQL, and the settings of their connections."""

import sqlite3
import time
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL

BUSY_TIMEOUT_MS: Final = 5_000
_IN_USE: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
"""SQLite's codes for a database that another connection is using."""
_SESSION: Final = {
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
_POSTGRESQL: Final[dict[str, str]] = {
    "application_name": "stresswire",
    "connect_timeout": "5",
    # A network that was cut is noticed within 11 s; the system's own patience is hours.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "options": " ".join(f"-c {name}={value}" for name, value in _SESSION.items()),
}
"""Parameters of a connection, unless the URL gives them itself."""


def make_engine(url: URL, pool_size: int, *, writes: bool) -> Engine:
    """An engine on the database; one that `writes` begins its transactions with SQLite's lock."""
    if url.get_backend_name() == "postgresql":
        arguments = {name: value for name, value in _POSTGRESQL.items() if name not in url.query}
        # The writer tries again anyway; a reader checks its connection first.
        engine = create_engine(url, pool_size=pool_size, max_overflow=0, pool_pre_ping=not writes, connect_args=arguments)
        event.listen(engine, "connect", _prepare_postgresql)
        return engine
    # Whatever the URL says: a pool hands its connections from thread to thread.
    engine = create_engine(url, pool_size=pool_size, max_overflow=0, connect_args={"check_same_thread": False})
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
    # By itself the driver begins a transaction at the first write: too late to read and write in one.
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
    """Switch to write-ahead logging. If several processes do so at first, SQLite ignores its busy timeout: retry."""
    give_up_s = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if time.monotonic() > give_up_s or error.sqlite_errorcode & 0xFF not in _IN_USE:
                raise
            time.sleep(0.01)
        else:
            return


def _prepare_postgresql(connection: Any, _record: Any) -> None:
    """Let a commit return once it is on the disk. A stricter setting, such as the disk of a replica too, stays."""
    setting = "'synchronous_commit'"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT set_config({setting}, 'on', false) WHERE current_setting({setting}) = 'off'")
    connection.commit()
