"""Tokens, and the book of logins that the broker asks: in memory, and never older than `REFRESH_S`."""

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
from broker.contract import DEVICE_ID, MAX_DEVICE_ID, NAME_RULE, Role
from storage.database import Database, DatabaseError
from storage.logins import Login, LoginError, logins
from storage.sessions import Session

log = logging.getLogger(__name__)

REFRESH_S: Final = 1.0
"""How long a change made elsewhere may go unnoticed, and how long reading it may be put off once more."""
_TOKEN_BYTES: Final = 32
_NOBODY: Final = hashlib.sha256(b"").hexdigest()


def new_token() -> str:
    """256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def sha256_of(token: bytes) -> str:
    """What is kept of a token. A token is as long as a key, so a plain hash is enough."""
    return hashlib.sha256(token).hexdigest()


def check_name(name: str) -> None:
    """A login's name can stand in a topic. Raises `LoginError` that says what it may hold."""
    if re.match(DEVICE_ID, name) is None:
        raise LoginError(f"a name is 1-{MAX_DEVICE_ID} {NAME_RULE}, got {name[:80]!r}")


class LoginCache:
    """Says who a client is, without waiting for anything.

    Args:
        database: where the logins are.
        now: the server's clock, in UTC.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._known: dict[str, Login] = {}
        self._lent: dict[str, Login] = {}
        self._owners: dict[str, str] = {}
        self._readable = True
        self.load()

    @property
    def anybody(self) -> bool:
        """Whether there is a login that can be used."""
        now = self._now()
        return any(login.state(now) == "active" for login in self._known.values())

    def lend(self, name: str, role: Role) -> str:
        """A login of this process only; returns its token."""
        token, now = new_token(), self._now()
        self._lent[name] = Login(name, role, sha256_of(token.encode()), now, now, expires_at=None, revoked_at=None)
        self._owners[self._lent[name].token_sha256] = name
        return token

    def identify(self, shown: Credentials) -> Identity | None:
        """Who shows these credentials: a name and its token, or a verified certificate that bears the name."""
        if shown.certificate is not None and shown.username in (None, shown.certificate) and shown.password is None:
            return _identity(self._find(shown.certificate))
        login = self._find(shown.username or "")
        # For any other name nobody's token, so that looking takes as long.
        expected = _NOBODY if login is None else login.token_sha256
        return _identity(login) if hmac.compare_digest(expected, sha256_of(shown.password or b"")) else None

    def owner(self, token: str) -> Identity | None:
        """Whose token this is: of 256 random bits, it is enough to name its login."""
        name = self._owners.get(sha256_of(token.encode()))
        return None if name is None else _identity(self._find(name))

    def session_of(self, who: Identity) -> Session | None:
        """What a browser's session keeps of a login; None where the login can no longer be used."""
        login = self._find(who.login)
        return None if login is None else Session(login.name, login.changed_at)

    def holder(self, session: Session) -> Identity | None:
        """Whose session it is, while the login has the token that it had when the session began."""
        login = self._find(session.login)
        return _identity(login) if login is not None and login.changed_at == session.login_changed_at else None

    def load(self) -> list[str]:
        """Read the logins; the names of those that can no longer be used as before. Raises `DatabaseError`."""
        with self._database.reading() as connection:
            found = {login.name: login for login in logins(connection)}
        return self._replace(found)

    async def run(self, ended: Callable[[str], None]) -> None:
        """Notice what changes, and tell of every login that was revoked, rotated or has expired, until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            try:
                names = await asyncio.to_thread(self.load)
            except DatabaseError as error:
                self._say(readable=False, why=str(error))
                names = self._replace(self._known)
            else:
                self._say(readable=True)
            for name in names:
                ended(name)

    def _find(self, name: str) -> Login | None:
        """A login that can be used now."""
        login = self._lent.get(name) or self._known.get(name)
        return login if login is not None and login.state(self._now()) == "active" else None

    def _replace(self, found: dict[str, Login]) -> list[str]:
        now, before = self._now(), self._known
        self._known = {name: login for name, login in found.items() if login.state(now) == "active"}
        self._owners = {login.token_sha256: name for name, login in (*self._known.items(), *self._lent.items())}
        return [name for name, login in before.items() if _differs(login, self._known.get(name))]

    def _say(self, *, readable: bool, why: str = "") -> None:
        if readable != self._readable:
            self._readable = readable
            if readable:
                log.info("the logins can be read again")
            else:
                log.error("the logins cannot be read, those known before go on: %s", why)


def _identity(login: Login | None) -> Identity | None:
    return None if login is None else Identity(login.name, login.role, login.sees)


def _differs(before: Login, now: Login | None) -> bool:
    return now is None or (before.role, before.token_sha256, before.devices) != (now.role, now.token_sha256, now.devices)
