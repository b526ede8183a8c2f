"""Browser sessions as rows. All functions are synchronous and take a connection."""

from collections.abc import Collection
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy import Connection, delete, insert, select

from storage.tables import SessionRow

SESSIONS_OF_A_LOGIN: Final = 50
"""Sessions of a login at most; with one more the oldest ends."""


class Session(NamedTuple):
    """The login of a browser; `login_changed_at` identifies the token that it had."""

    login: str
    login_changed_at: datetime


def add_session(connection: Connection, id_sha256: str, session: Session, now: datetime, expires_at: datetime) -> None:
    """Store a new session, and delete those that have expired."""
    row = {"id_sha256": id_sha256, **session._asdict(), "created_at": now, "expires_at": expires_at}
    connection.execute(insert(SessionRow).values(row))
    connection.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    of_login = select(SessionRow.id_sha256).where(SessionRow.login == session.login)
    surplus = of_login.order_by(SessionRow.created_at.desc(), SessionRow.id_sha256).offset(SESSIONS_OF_A_LOGIN)
    ids = connection.execute(surplus).scalars().all()
    connection.execute(delete(SessionRow).where(SessionRow.id_sha256.in_(ids)))


def find_session(connection: Connection, id_sha256: str, now: datetime) -> Session | None:
    """Return the session; None if it has ended."""
    columns = (SessionRow.login, SessionRow.login_changed_at)
    query = select(*columns).where(SessionRow.id_sha256 == id_sha256, SessionRow.expires_at > now)
    row = connection.execute(query).one_or_none()
    return None if row is None else Session(*row)


def end_session(connection: Connection, id_sha256: str) -> None:
    """Delete a session, if there is one of this id."""
    connection.execute(delete(SessionRow).where(SessionRow.id_sha256 == id_sha256))


def lasting_sessions(connection: Connection, ids: Collection[str], now: datetime) -> set[str]:
    """Return those of `ids` that have not ended."""
    query = select(SessionRow.id_sha256).where(SessionRow.id_sha256.in_(ids), SessionRow.expires_at > now)
    return set(connection.execute(query).scalars())
