"""Finds out who asks: a token, a name with its token, or the cookie of a browser that is signed in."""

import base64
import hmac
from collections.abc import Callable
from typing import Final, Protocol

from aiohttp import hdrs, web
from sqlalchemy.exc import SQLAlchemyError

from broker.auth.identity import Credentials, Identity
from broker.contract import MAX_DEVICE_ID
from broker.pacing.token_bucket import FailedLogins
from gateway.access.browser_sessions import COOKIE, Sessions, csrf_of, id_of
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
    """Recognises visitors.

    Args:
        logins: None: nobody needs one.
        sessions: of browsers.
        origins: whose pages a cookie is believed from.
        now_s: a clock that never goes back.
    """

    def __init__(self, logins: Logins | None, sessions: Sessions, origins: Origins, now_s: Callable[[], float]) -> None:
        self._logins = logins
        self._sessions = sessions
        self._origins = origins
        self._guesses = FailedLogins(now_s)

    async def visitor(self, request: web.Request, client: Peer) -> Caller:
        """Who sends a request. Raises `HttpError` where what is shown is wrong, or a page may not do that."""
        if self._logins is None:
            return Caller(client, free=True)
        shown = request.headers.get(hdrs.AUTHORIZATION)
        if shown is not None:
            return Caller(client, self._identified(self._logins, _credentials(shown), client.address))
        cookie = request.cookies.get(COOKIE)
        if cookie is not None and cookie.isascii() and self._own_page(request):
            return await self._signed_in(self._logins, request, cookie, client)
        return Caller(client)

    def by_token(self, token: object, client: Peer) -> Caller:
        """Who shows a token in Socket.IO's `auth`. Raises `HttpError`."""
        if self._logins is None:
            return Caller(client, free=True)
        if not isinstance(token, str):
            raise unauthorized("auth.token must be a string")
        return Caller(client, self._identified(self._logins, Credentials(password=_bytes(token)), client.address))

    def sign_in(self, name: str, token: str, address: str) -> Session:
        """What to keep of who signs in. Raises `HttpError`."""
        if self._logins is None:
            raise forbidden("no login is needed here")
        who = self._identified(self._logins, Credentials(name, token.encode()), address)
        session = self._logins.session_of(who)
        if session is None:
            raise unauthorized("the login has just ended")
        return session

    def _identified(self, logins: Logins, shown: Credentials, address: str) -> Identity:
        """Who shows these. The right token is always let in, whoever guesses from the same address."""
        token = (shown.password or b"").decode(errors="replace")
        if len(token) > MAX_TOKEN:
            raise unauthorized(f"a token has at most {MAX_TOKEN} characters")
        who = logins.by_token(token) if shown.username is None else logins.identify(shown)
        if who is not None:
            return who
        name = (shown.username or "")[:MAX_DEVICE_ID]
        wait_s = self._guesses.wait_s(address, name)
        if wait_s:
            raise too_many("too many failed logins", wait_s)
        self._guesses.count(address, name)
        raise unauthorized("no such login, or a wrong, revoked or expired token")

    async def _signed_in(self, logins: Logins, request: web.Request, cookie: str, client: Peer) -> Caller:
        try:
            session = await self._sessions.find(cookie)
        except SQLAlchemyError as error:
            raise database_away() from error
        who = None if session is None else logins.by_session(session)
        if who is None:
            return Caller(client)
        csrf = csrf_of(cookie)
        shown = request.headers.get(CSRF_HEADER, "").encode()
        if request.method not in SAFE_METHODS and not hmac.compare_digest(shown, csrf.encode()):
            raise forbidden(f"a browser that is signed in must send the header {CSRF_HEADER}, from /api/me")
        return Caller(client, who, session=id_of(cookie), csrf=csrf)

    def _own_page(self, request: web.Request) -> bool:
        """A cookie is believed from our own pages: others, also those that may read our answers, bring a token."""
        origin = request.headers.get(hdrs.ORIGIN)
        return origin is None or self._origins.own(origin, request.get(HOST))


def _bytes(token: str) -> bytes:
    """A token as bytes, also one that is no Unicode text (a lone surrogate), which then is nobody's."""
    return token.encode(errors="surrogatepass")


def _credentials(header: str) -> Credentials:
    """What an Authorization header says: Bearer, or Basic with the login's name as user."""
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
