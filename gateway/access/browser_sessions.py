"""Sessions of browsers: a random cookie, of which the database stores the SHA-256."""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final, Self

from msgspec import Struct

from gateway.access.audit import change
from storage import sessions as rows
from storage.audit import AuditEvent
from storage.reader import Reader
from storage.sessions import Session
from storage.writer import Writer

COOKIE: Final = "__Host-stresswire"
"""The prefix makes browsers insist on Secure, on the whole host and on no other."""
COOKIE_BELOW: Final = "__Secure-stresswire"
"""Below a path, which that prefix forbids; the path is put behind it, so that no gateway takes another one's cookie for its
own, not even below the other's path."""
LIFETIME: Final = timedelta(hours=12)
_RANDOM_BYTES: Final = 32


class SessionCookie(Struct, frozen=True):
    """The name and the path with which a browser keeps a session."""

    name: str
    path: str

    @classmethod
    def at(cls, path: str) -> Self:
        """Return the cookie of a gateway whose first page has this path, which begins and ends with a slash."""
        return cls(COOKIE if path == "/" else COOKIE_BELOW + path[:-1].replace("/", "-"), path)


class Sessions:
    """Begins, finds and ends sessions. `find` and `ended` raise SQLAlchemy's errors, the others `HttpError`."""

    def __init__(self, reader: Reader, writer: Writer, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._writer = writer
        self._now = now

    async def begin(self, session: Session, address: str) -> str:
        """Begin a session; return its cookie."""
        cookie, now = secrets.token_urlsafe(_RANDOM_BYTES), self._now()
        await change(
            self._writer,
            AuditEvent(now, session.login, address, "sign_in"),
            lambda connection: rows.add_session(connection, id_of(cookie), session, now, now + LIFETIME),
        )
        return cookie

    async def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie; None if it has ended."""
        return await self._reader.run(lambda connection: rows.find_session(connection, id_of(cookie), self._now()))

    async def end(self, session_id: str, login: str | None, address: str) -> None:
        """Sign out."""
        event = AuditEvent(self._now(), login, address, "sign_out")
        await change(self._writer, event, lambda connection: rows.end_session(connection, session_id))

    async def ended(self, ids: Collection[str]) -> set[str]:
        """Return the `ids` of sessions that have ended."""
        lasting = await self._reader.run(lambda connection: rows.lasting_sessions(connection, ids, self._now()))
        return set(ids) - lasting


def id_of(cookie: str) -> str:
    """Return the SHA-256 of a cookie, by which the database knows its session."""
    return hashlib.sha256(cookie.encode()).hexdigest()


def csrf_of(cookie: str) -> str:
    """Return the CSRF token of a cookie: only a page that may read our answers can know it."""
    return hmac.new(cookie.encode(), b"csrf", hashlib.sha256).hexdigest()
