"""Browsers that are signed in, as rows. All functions are synchronous and take a connection."""

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from storage.tables import SessionRow

SESSIONS_OF_A_LOGIN: Final = 50
"""For one more the oldest ends."""


class Session(NamedTuple):
    """Whose browser it is; `login_changed_at` says which token the login had."""

    login: str
    login_changed_at: datetime


def add_session(connection: Connection, id_sha256: str, session: Session, now: datetime, expires_at: datetime) -> None:
    """Keep a new session, and forget those that have expired."""
    row = {"id_sha256": id_sha256, **session._asdict(), "created_at": now, "expires_at": expires_at}
    connection.execute(insert(SessionRow).values(row))
    connection.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    own = select(SessionRow.id_sha256).where(SessionRow.login == session.login)
    surplus = own.order_by(SessionRow.created_at.desc(), SessionRow.id_sha256).offset(SESSIONS_OF_A_LOGIN)
    ids = connection.execute(surplus).scalars().all()
    connection.execute(delete(SessionRow).where(SessionRow.id_sha256.in_(ids)))


def find_session(connection: Connection, id_sha256: str, now: datetime) -> Session | None:
    """The session, unless it has ended."""
    columns = (SessionRow.login, SessionRow.login_changed_at)
    query = select(*columns).where(SessionRow.id_sha256 == id_sha256, SessionRow.expires_at > now)
    row = connection.execute(query).one_or_none()
    return None if row is None else Session(*row)


def end_session(connection: Connection, id_sha256: str) -> None:
    """Forget a session; one that is gone already does not matter."""
    connection.execute(delete(SessionRow).where(SessionRow.id_sha256 == id_sha256))


def lasting_sessions(connection: Connection, ids: Collection[str], now: datetime) -> set[str]:
    """Those of `ids` that have not ended."""
    query = select(SessionRow.id_sha256).where(SessionRow.id_sha256.in_(ids), SessionRow.expires_at > now)
    return set(connection.execute(query).scalars())
