"""Signing in and out, who one is, and who did what."""

from datetime import datetime
from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct

from broker.contract import MAX_DEVICE_ID, Right, Role
from gateway.access.authentication import MAX_TOKEN, Authenticator
from gateway.access.browser_sessions import LIFETIME, SessionCookie, Sessions
from gateway.access.permissions import Caller
from gateway.errors import HttpError
from gateway.headers import HOST
from gateway.http.routing import Call, Content, Endpoint, Endpoints, PageRequest
from storage.audit import AuditEntry, audit_events
from storage.reader import Reader

_PLAIN: Final = (
    "a browser signs in over https, or on this machine itself; behind a proxy that speaks https, name the proxy's network"
    " in STRESSWIRE_TRUSTED_PROXIES"
)


class SignIn(Struct, frozen=True):
    """A login's name and its token."""

    name: Annotated[str, Meta(min_length=1, max_length=MAX_DEVICE_ID)]
    token: Annotated[str, Meta(min_length=1, max_length=MAX_TOKEN)]


class Me(Struct, frozen=True):
    """The caller. `auth`: true if logins are required; `devices`: the devices that this login may see, null: all.

    `csrf` is for a browser that is signed in: it sends it as X-CSRF-Token with every request that changes something.
    """

    login: str | None
    role: Role | None
    devices: tuple[str, ...] | None
    csrf: str | None
    auth: bool


class AuditItem(Struct, frozen=True):
    """An audit event. `login` is null if logins are off, `address` is null for the command line."""

    id: int
    at: datetime
    login: str | None
    address: str | None
    action: str
    subject: str | None
    detail: str | None


class Audit(Struct, frozen=True):
    """A page of audit events."""

    data: tuple[AuditItem, ...]
    count: int


SIGN_IN: Final = Endpoint(
    method="POST",
    path="/api/session",
    operation="sign_in",
    summary="Sign a browser in: sets a cookie that scripts cannot read.",
    right=Right.NONE,
    body=SignIn,
    answers={204: Content("Signed in.")},
)
SIGN_OUT: Final = Endpoint(
    method="DELETE",
    path="/api/session",
    operation="sign_out",
    summary="Sign the browser out: ends its session.",
    right=Right.NONE,
    answers={204: Content("Signed out.")},
)
ME: Final = Endpoint(
    method="GET",
    path="/api/me",
    operation="me",
    summary="Show the caller's login, role and devices.",
    right=Right.NONE,
    answers={200: Content("The caller.", Me)},
)
AUDIT: Final = Endpoint(
    method="GET",
    path="/api/audit",
    operation="audit",
    summary="List audit events, newest first.",
    right=Right.ADMINISTER,
    query=PageRequest,
    answers={200: Content("A page of audit events.", Audit)},
)


class AccountRoutes:
    """Signs browsers in and out, and tells who asks."""

    def __init__(self, authenticator: Authenticator, sessions: Sessions, cookie: SessionCookie, reader: Reader) -> None:
        self._authenticator = authenticator
        self._sessions = sessions
        self._cookie = cookie
        self._reader = reader

    def add_to(self, endpoints: Endpoints) -> None:
        """Add the routes."""
        endpoints.add(SIGN_IN, self._sign_in)
        endpoints.add(SIGN_OUT, self._sign_out)
        endpoints.add(ME, self._me)
        endpoints.add(AUDIT, self._audit)

    async def _sign_in(self, call: Call) -> web.Response:
        session = self._authenticator.sign_in(call.body.name, call.body.token, call.caller.address)
        host = call.request.get(HOST)
        if not (call.caller.peer.secure or (host is not None and host.loopback)):
            raise HttpError(400, "invalid", _PLAIN)
        value = await self._sessions.begin(session, call.caller.address)
        response = web.Response(status=204)
        seconds, cookie = int(LIFETIME.total_seconds()), self._cookie
        response.set_cookie(
            cookie.name, value, max_age=seconds, path=cookie.path, secure=True, httponly=True, samesite="Strict"
        )
        return response

    async def _sign_out(self, call: Call) -> web.Response:
        if call.caller.session is not None:
            await self._sessions.end(call.caller.session, call.caller.login, call.caller.address)
        response = web.Response(status=204)
        response.del_cookie(self._cookie.name, path=self._cookie.path, secure=True, httponly=True, samesite="Strict")
        return response

    async def _me(self, call: Call) -> Me:
        return me(call.caller)

    async def _audit(self, call: Call) -> Audit:
        request: PageRequest = call.query
        rows = await self._reader.run(lambda connection: audit_events(connection, request.limit, request.before_id))
        return Audit(tuple(map(_item, rows)), len(rows))


def me(caller: Caller) -> Me:
    """Describe a caller."""
    role = None if caller.identity is None else caller.identity.role
    devices = None if caller.devices is None else tuple(sorted(caller.devices))
    return Me(caller.login, role, devices, caller.csrf, auth=not caller.free)


def _item(entry: AuditEntry) -> AuditItem:
    return AuditItem(entry.id, *entry.event)
