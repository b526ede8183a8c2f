"""Socket.IO clients that are connected: who they are, which kind they are, and when they must go."""

import asyncio
from collections.abc import Mapping, ValuesView
from typing import Any, Final

from aiohttp import web
from msgspec import Struct
from sqlalchemy.exc import SQLAlchemyError

from broker.contract import ClientStats, ClientType, ConnectionStatus, Name, Right
from gateway.access.authentication import Authenticator
from gateway.access.browser_sessions import Sessions
from gateway.access.forwarded import PEER
from gateway.access.permissions import Caller
from gateway.errors import HttpError
from gateway.socketio.send_queue import SendQueue
from gateway.socketio.server import NAMESPACE, WAITING_BYTES, JoinRejectedError, Server

CLOSE_ALL_TIMEOUT_S: Final = 1.0


class Client(Struct, eq=False):
    """A client in the namespace. The commands for `devices` are forwarded to it."""

    kind: ClientType
    caller: Caller
    eio_sid: str
    queue: SendQueue
    devices: set[str]


class Clients:
    """The registry of Socket.IO clients.

    Args:
        server: calls this registry when a client joins or leaves the namespace.
        authenticator: finds out who a client is.
        sessions: of browsers; with a session its sockets are closed.
    """

    def __init__(self, server: Server, authenticator: Authenticator, sessions: Sessions) -> None:
        self._server = server
        self._authenticator = authenticator
        self._sessions = sessions
        self._connecting: dict[str, Client] = {}
        self._joined: dict[str, Client] = {}
        self._closing: set[asyncio.Task[None]] = set()
        server.on("connect", self._connect)
        server.on("disconnect", self._disconnect)
        server.when_joined(self._join)

    @property
    def joined(self) -> ValuesView[Client]:
        """The clients that are in the namespace."""
        return self._joined.values()

    @property
    def stats(self) -> ClientStats:
        """The numbers of connected clients."""
        devices = sum(client.kind == "esp32" for client in self._joined.values())
        return ClientStats(total=len(self._joined), esp32=devices, frontend=len(self._joined) - devices)

    def get(self, sid: str) -> Client | None:
        """Return a client; None if it is not in the namespace."""
        return self._joined.get(sid)

    def revoke(self, login: str) -> None:
        """Disconnect every client of a login that has ended."""
        for sid, client in self._joined.items():
            if client.caller.login == login:
                self._close(sid)

    async def close_ended_sessions(self) -> None:
        """Disconnect the browsers whose sessions have ended."""
        known = {session for client in self._joined.values() if (session := client.caller.session) is not None}
        if not known:
            return
        try:
            ended = await self._sessions.ended(known)
        except SQLAlchemyError:
            return  # asked again in a second; /readyz tells of the database
        for sid, client in self._joined.items():
            if client.caller.session in ended:
                self._close(sid)

    async def close(self) -> None:
        """Wait for those that are being disconnected, at most `CLOSE_ALL_TIMEOUT_S`, and end the sockets of all others."""
        if self._closing:
            await asyncio.wait(self._closing, timeout=CLOSE_ALL_TIMEOUT_S)
        await self._server.end_all()

    def _close(self, sid: str) -> None:
        task = asyncio.create_task(self._server.disconnect(sid), name="socket disconnected")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> None:
        request: web.Request = environ["aiohttp.request"]
        peer = request[PEER]
        kind = _client_type(request)
        token = auth.get("token") if isinstance(auth, dict) else None
        try:
            if token is None:
                caller = await self._authenticator.authenticate(request, peer)
            else:
                caller = self._authenticator.by_token(token, peer)
            _check_kind(caller, kind)
        except HttpError as error:
            raise JoinRejectedError(str(error)) from error
        eio_sid = self._server.manager.eio_sid_from_sid(sid, NAMESPACE)
        waiting = self._server.waiting(eio_sid)
        if waiting is None:
            raise JoinRejectedError("the connection is gone")
        queue = SendQueue(lambda: waiting.size < WAITING_BYTES, waiting.put_nowait)
        devices = {caller.login} if caller.login is not None and kind == "esp32" else set()
        self._connecting[sid] = Client(kind, caller, eio_sid, queue, devices)

    async def _join(self, sid: str) -> None:
        client = self._connecting.pop(sid, None)
        if client is None:
            return
        self._joined[sid] = client
        await self._server.emit(Name.CONNECTION_STATUS.value, ConnectionStatus("connected", client.kind), to=sid)
        if client.kind == "frontend":
            await self._server.emit(Name.CLIENT_STATS.value, self.stats, to=sid)

    async def _disconnect(self, sid: str, _reason: Any = None) -> None:
        client = self._connecting.pop(sid, None) or self._joined.pop(sid, None)
        if client is not None:
            self._server.left(client.eio_sid)


def _client_type(request: web.Request) -> ClientType:
    """Return the type that the URL names in any case, the last one if it names several; anything unknown is a frontend."""
    return "esp32" if request.query.getall("type", [""])[-1].strip().lower() == "esp32" else "frontend"


def _check_kind(caller: Caller, kind: ClientType) -> None:
    """Raises `HttpError` if the caller may not be a client of that kind."""
    right = Right.SEND if kind == "esp32" else Right.WATCH
    if caller.may(right):
        return
    if caller.unauthenticated:
        raise HttpError(401, "unauthorized", 'this needs a login: connect with auth {"token": "..."}')
    hint = "; a device connects with ?type=esp32" if caller.may(Right.SEND) else ""
    raise HttpError(403, "forbidden", f"{caller.login} does not have the right to {right.value}{hint}")
