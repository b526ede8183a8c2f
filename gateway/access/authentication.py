"""Authentication: by a token, a name with its token, or the cookie of a browser that is signed in."""

import base64
import hmac
from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import hdrs, web
from sqlalchemy.exc import SQLAlchemyError

from broker.auth.failed_logins import FailedLogins
from broker.auth.identity import Credentials, Identity
from broker.contract import MAX_DEVICE_ID
from gateway.access.browser_sessions import SessionCookie, Sessions, csrf_of, id_of
from gateway.access.forwarded import Peer
from gateway.access.origins import Origins
from gateway.access.permissions import Caller
from gateway.errors import database_away, forbidden, too_many, unauthorized
from gateway.headers import CSRF_HEADER, HOST
from storage.sessions import Session

SAFE_METHODS: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
MAX_TOKEN: Final = 512


class Logins(Protocol):
    """Identifies clients by their credentials, without I/O."""

    def identify(self, shown: Credentials) -> Identity | None:
        """Return the identity of a name with its token, or None if they are wrong."""

    def by_token(self, token: str) -> Identity | None:
        """Return the identity of the login with this token, or None."""

    def session_of(self, identity: Identity) -> Session | None:
        """Return a browser session for this identity, or None if its login can no longer be used."""

    def by_session(self, session: Session) -> Identity | None:
        """Return the identity of a browser session, or None if its login has ended or changed since."""


class Authenticator:
    """Identifies callers.

    Args:
        logins: None if logins are off.
        sessions: of browsers.
        cookie: in which a browser shows its session.
        origins: pages from which a cookie is accepted.
        now_s: a clock that never goes back.
    """

    def __init__(
        self,
        logins: Logins | None,
        sessions: Sessions,
        cookie: SessionCookie,
        origins: Origins,
        now_s: Callable[[], float],
    ) -> None:
        self._logins = logins
        self._sessions = sessions
        self._cookie = cookie
        self._origins = origins
        self._failed_logins = FailedLogins(now_s)

    async def authenticate(self, request: web.Request, peer: Peer) -> Caller:
        """Return who sends a request. Raises `HttpError` if its credentials are wrong, or its page may not send it."""
        if self._logins is None:
            return Caller(peer, free=True)
        shown = request.headers.get(hdrs.AUTHORIZATION)
        if shown is not None:
            return Caller(peer, self._identify(self._logins, _credentials(shown), peer.address))
        cookie = request.cookies.get(self._cookie.name)
        if cookie is not None and cookie.isascii() and self._is_own_page(request):
            return await self._by_session(self._logins, request, cookie, peer)
        return Caller(peer)

    def by_token(self, token: object, peer: Peer) -> Caller:
        """Return the caller of a token in Socket.IO's `auth`. Raises `HttpError`."""
        if self._logins is None:
            return Caller(peer, free=True)
        if not isinstance(token, str):
            raise unauthorized("auth.token must be a string")
        return Caller(peer, self._identify(self._logins, Credentials(password=_bytes(token)), peer.address))

    def sign_in(self, name: str, token: str, address: str) -> Session:
        """Return a new session for a login. Raises `HttpError`."""
        if self._logins is None:
            raise forbidden("no login is needed here")
        identity = self._identify(self._logins, Credentials(name, token.encode()), address)
        session = self._logins.session_of(identity)
        if session is None:
            raise unauthorized("the login has just ended")
        return session

    def _identify(self, logins: Logins, shown: Credentials, address: str) -> Identity:
        """Return the identity of credentials. The right token is always accepted, whoever guesses from the same address."""
        token = (shown.password or b"").decode(errors="replace")
        if len(token) > MAX_TOKEN:
            raise unauthorized(f"a token has at most {MAX_TOKEN} characters")
        identity = logins.by_token(token) if shown.username is None else logins.identify(shown)
        if identity is not None:
            return identity
        name = (shown.username or "")[:MAX_DEVICE_ID]
        wait_s = self._failed_logins.wait_s(address, name)
        if wait_s:
            raise too_many("too many failed logins", wait_s)
        self._failed_logins.count(address, name)
        raise unauthorized("no such login, or a wrong, revoked or expired token")

    async def _by_session(self, logins: Logins, request: web.Request, cookie: str, peer: Peer) -> Caller:
        try:
            session = await self._sessions.find(cookie)
        except SQLAlchemyError as error:
            raise database_away() from error
        identity = None if session is None else logins.by_session(session)
        if identity is None:
            return Caller(peer)
        csrf = csrf_of(cookie)
        shown = request.headers.get(CSRF_HEADER, "").encode()
        if request.method not in SAFE_METHODS and not hmac.compare_digest(shown, csrf.encode()):
            raise forbidden(f"a browser that is signed in must send the header {CSRF_HEADER}, from /api/me")
        return Caller(peer, identity, session=id_of(cookie), csrf=csrf)

    def _is_own_page(self, request: web.Request) -> bool:
        """Return True for the gateway's own pages; all others, even allowed ones, need a token instead of a cookie."""
        origin = request.headers.get(hdrs.ORIGIN)
        return origin is None or self._origins.is_own(origin, request.get(HOST))


def _bytes(token: str) -> bytes:
    """Encode a token; a lone surrogate in it makes it one that nobody has."""
    return token.encode(errors="surrogatepass")


def _credentials(header: str) -> Credentials:
    """Parse an Authorization header: Bearer, or Basic with the login's name as user."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer" and value:
        return Credentials(password=_bytes(value.strip()))
    if scheme.lower() == "basic":
        try:
            name, colon, token = base64.b64decode(value, validate=True).decode().partition(":")
        except ValueError:  # also binascii's and Unicode's
            name, colon, token = "", "", ""
        if colon:
            return Credentials(name, token.encode())
    raise unauthorized("Authorization must be: Bearer TOKEN, or Basic with the login's name and token")
