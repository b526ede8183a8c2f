"""Tokens, and an in-memory cache of the logins that is never older than `REFRESH_S`."""

import asyncio
import hashlib
import hmac
import logging
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Final

from broker.auth.identity import Credentials, Identity
from broker.contract import DEVICE_ID, DEVICE_ID_RULE, Role
from storage.database import Database, DatabaseError
from storage.logins import Login, LoginError, logins
from storage.sessions import Session

log = logging.getLogger(__name__)

REFRESH_S: Final = 1.0
"""Interval between two reads of the database: the longest time until a change by another process is seen."""
_TOKEN_BYTES: Final = 32
_NO_TOKEN_SHA256: Final = hashlib.sha256(b"").hexdigest()


def new_token() -> str:
    """Return a new token of 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def sha256_of(token: bytes) -> str:
    """Return the hash that is stored for a token. A token has 256 random bits, so an unsalted hash is enough."""
    return hashlib.sha256(token).hexdigest()


def check_name(name: str) -> None:
    """Raise `LoginError` unless `name` can be a login's name, which is also a segment of a topic."""
    if re.match(DEVICE_ID, name) is None:
        raise LoginError(f"a name is {DEVICE_ID_RULE}, got {name[:80]!r}")


class LoginCache:
    """Identifies clients by their credentials, without I/O.

    Args:
        database: the database with the logins.
        now: the server's clock, in UTC.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._stored: dict[str, Login] = {}
        self._temporary: dict[str, Login] = {}
        self._names_by_token: dict[str, str] = {}
        self._readable = True
        self.load()

    @property
    def any_active(self) -> bool:
        """True if at least one stored login can be used now."""
        now = self._now()
        return any(login.state(now) == "active" for login in self._stored.values())

    def issue_temporary(self, name: str, role: Role) -> str:
        """Create a login of this process only, and return its token."""
        token, now = new_token(), self._now()
        self._temporary[name] = Login(name, role, sha256_of(token.encode()), now, now, expires_at=None, revoked_at=None)
        self._names_by_token[self._temporary[name].token_sha256] = name
        return token

    def identify(self, shown: Credentials) -> Identity | None:
        """Return the identity of these credentials, or None if they are wrong.

        Credentials are a name and its token, or a verified certificate whose common name is a login's name.
        """
        if shown.certificate is not None and shown.username in (None, shown.certificate) and shown.password is None:
            return _identity(self._find(shown.certificate))
        login = self._find(shown.username or "")
        # An unknown name is compared too, so that the time does not tell whether the name exists.
        expected = _NO_TOKEN_SHA256 if login is None else login.token_sha256
        return _identity(login) if hmac.compare_digest(expected, sha256_of(shown.password or b"")) else None

    def by_token(self, token: str) -> Identity | None:
        """Return the identity of the login with this token, or None if there is none."""
        name = self._names_by_token.get(sha256_of(token.encode()))
        return None if name is None else _identity(self._find(name))

    def session_of(self, identity: Identity) -> Session | None:
        """Return a browser session for this identity, or None if its login can no longer be used."""
        login = self._find(identity.login)
        return None if login is None else Session(login.name, login.changed_at)

    def by_session(self, session: Session) -> Identity | None:
        """Return the identity of a browser session, or None if its login has ended or changed since the session began."""
        login = self._find(session.login)
        return _identity(login) if login is not None and login.changed_at == session.login_changed_at else None

    def load(self) -> list[str]:
        """Read the logins, and return the names of those that were revoked, rotated or have expired.

        Raises:
            DatabaseError: the logins cannot be read.
        """
        with self._database.reading() as connection:
            stored = {login.name: login for login in logins(connection)}
        return self._replace(stored)

    async def run(self, ended: Callable[[str], None]) -> None:
        """Read the logins every `REFRESH_S` until cancelled, and call `ended` with the name of each that has ended."""
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                names = await asyncio.to_thread(self.load)
            except DatabaseError as error:
                self._log_change(readable=False, reason=str(error))
                names = self._replace(self._stored)
            else:
                self._log_change(readable=True)
            for name in names:
                ended(name)

    def _find(self, name: str) -> Login | None:
        """Return the login if it can be used now, else None."""
        login = self._temporary.get(name) or self._stored.get(name)
        return login if login is not None and login.state(self._now()) == "active" else None

    def _replace(self, stored: dict[str, Login]) -> list[str]:
        now, before = self._now(), self._stored
        self._stored = {name: login for name, login in stored.items() if login.state(now) == "active"}
        self._names_by_token = {
            login.token_sha256: name for name, login in (*self._stored.items(), *self._temporary.items())
        }
        return [name for name, login in before.items() if _differs(login, self._stored.get(name))]

    def _log_change(self, *, readable: bool, reason: str = "") -> None:
        if readable != self._readable:
            self._readable = readable
            if readable:
                log.info("the logins can be read again")
            else:
                log.error("the logins cannot be read, those read before stay valid: %s", reason)


def _identity(login: Login | None) -> Identity | None:
    return None if login is None else Identity(login.name, login.role, login.sees)


def _differs(before: Login, now: Login | None) -> bool:
    return now is None or (before.role, before.token_sha256, before.devices) != (now.role, now.token_sha256, now.devices)
