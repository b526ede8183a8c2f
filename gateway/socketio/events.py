"""The Socket.IO side: ESP32s and frontends by the events that they know."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import Raw, Struct
from sqlalchemy.exc import SQLAlchemyError

from broker.contract import (
    CHANNELS,
    CLIENT_EVENTS,
    DATA_RECEIVED,
    EVENTS,
    SENSOR_DATA,
    AlertSubscription,
    AnnotationRequest,
    AnnotationSaved,
    Channel,
    ClientStats,
    ClientType,
    ConnectionStatus,
    ErrorDetail,
    EventsSkipped,
    HealthStatus,
    HistoryData,
    Name,
    Pong,
    Right,
    ServerShutdown,
    encode,
)
from gateway import json_codec as wire
from gateway.access.authentication import Authenticator
from gateway.access.browser_sessions import Sessions
from gateway.access.forwarded import PEER
from gateway.access.origins import Origins
from gateway.access.permissions import Caller
from gateway.access.rate_limit import Limits
from gateway.annotations import Annotations
from gateway.errors import RefusedError
from gateway.headers import HOST
from gateway.inbound import Inbound, InboundReader
from gateway.metrics import Metrics
from gateway.quiet import RateLimitedLogFilter
from gateway.sample_requests import SampleRequests, refusal
from gateway.socketio.arduino import DEVICE_ORIGIN, Server, is_device
from gateway.socketio.send_queue import SendQueue
from gateway.socketio.server import MAX_BODY, WAITING_BYTES, JoinRefusedError
from storage.history import History, HistoryError, parse_request

log = logging.getLogger(__name__)

TICK_S: Final = 0.25
"""How often frontends that are behind are looked after, and told of changed numbers."""
SWEEP_TICKS: Final = 4
COME_BACK_S: Final = 2
"""After this time another instance may be there, or this one again."""
CLOSE_S: Final = 1.0
MAX_DEVICES: Final = 16
"""Devices that one socket may speak for where there are no logins."""


class Client(Struct, eq=False):
    """A client that has joined. `devices`: whose orders it is sent."""

    kind: ClientType
    visitor: Caller
    eio_sid: str
    feed: SendQueue
    devices: set[str]


class SocketEvents:
    """All Socket.IO clients.

    Args:
        uplink: takes samples, and what devices answer.
        bridge: counts and logs what is refused without an answer.
        annotations: stores what clients annotate.
        history: answers history requests.
        health: how the parts are.
        origins: whose pages may connect.
        door: finds out who connects.
        sessions: of browsers; with the session the browser's sockets end.
        limits: how many events a login may send.
        metrics: what is counted.
        now: the server's time, in UTC.
    """

    def __init__(
        self,
        uplink: SampleRequests,
        bridge: InboundReader,
        annotations: Annotations,
        history: History,
        health: Callable[[], Awaitable[HealthStatus]],
        origins: Origins,
        door: Authenticator,
        sessions: Sessions,
        limits: Limits,
        metrics: Metrics,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self.skipped = 0
        self._uplink = uplink
        self._bridge = bridge
        self._annotations = annotations
        self._history = history
        self._health = health
        self._origins = origins
        self._door = door
        self._sessions = sessions
        self._limits = limits
        self._metrics = metrics
        self._now = now
        self._arriving: dict[str, Client] = {}
        self._members: dict[str, Client] = {}
        self._told = ClientStats(0, 0, 0)
        self._told_lost = 0
        self._leaving: set[asyncio.Task[None]] = set()
        engine_log = logging.getLogger("gateway.engineio")
        engine_log.addFilter(RateLimitedLogFilter(Exception))  # of what a client sent; our own handlers say theirs
        engine_log.setLevel(logging.WARNING)
        self._sio = Server(
            CLIENT_EVENTS,
            self._joined,
            async_mode="aiohttp",
            json=wire,
            cors_allowed_origins=self._allow,
            max_http_buffer_size=MAX_BODY,
            engineio_logger=engine_log,
        )
        self._sio.on("connect", self._connect)
        self._sio.on("disconnect", self._disconnect)
        handlers = {
            Name.REQUEST_HISTORY: self._page,
            Name.SUBSCRIBE_ALERTS: self._subscribe,
            Name.ANNOTATE: self._annotate,
            Name.PING: self._pong,
            Name.HEALTH_CHECK: self._check,
        }
        self._answer(SENSOR_DATA.name, DATA_RECEIVED.name, Right.SEND, self._sample)
        for channel in CHANNELS:
            if channel.emitted and channel is not SENSOR_DATA:
                self._answer(channel.name, None, Right.SEND, partial(self._publish, channel))
        for event in EVENTS:
            if event.sender == "client":
                self._answer(event.name, event.reply, event.right, handlers[event.name])

    @property
    def stats(self) -> ClientStats:
        """How many clients are connected."""
        devices = sum(member.kind == "esp32" for member in self._members.values())
        return ClientStats(total=len(self._members), esp32=devices, frontend=len(self._members) - devices)

    @property
    def sockets(self) -> int:
        """Sockets that are open, joined or not."""
        return self._sio.sockets

    def attach(self, app: web.Application) -> None:
        """Serve ``/socket.io/`` in `app`."""
        self._sio.attach(app)

    def forward(self, message: Inbound) -> None:
        """Send a message of the bus to whom it is for: encoded once, however many that are."""
        channel, device_id, name = message.channel, message.device_id, message.channel.name.value
        packet = self._sio.packet(name, _payload(message))
        for member in self._members.values():
            if channel.audience == "device":
                if member.kind == "esp32" and device_id in member.devices:
                    member.feed.offer((name, device_id), packet)
            elif member.kind == "frontend" and member.visitor.may(channel.right, device_id):
                self.skipped += member.feed.offer((name, device_id), packet)

    async def run(self, lost: Callable[[], int]) -> None:
        """Look after those who are behind, and those who may no longer be here, until cancelled.

        `lost`: how many live events never came here.
        """
        tick = 0
        while True:
            await asyncio.sleep(TICK_S)
            tick += 1
            if lost() > self._told_lost:
                self._miss(lost() - self._told_lost)
                self._told_lost = lost()
            if self.stats != self._told:
                self._tell_stats()
            for member in self._members.values():
                if member.feed.behind:
                    self._catch_up(member)
            if tick % SWEEP_TICKS == 0:
                await self._sio.close_idle()
                await self._close_ended_sessions()

    def revoke(self, login: str) -> None:
        """Cut off every client of a login that has ended."""
        for sid, member in self._members.items():
            if member.visitor.login == login:
                self._cut(sid)

    def leave(self) -> None:
        """Tell every client that the server goes, and when to come back."""
        packet = self._sio.packet(Name.SERVER_SHUTDOWN.value, encode(ServerShutdown("stopping", COME_BACK_S)))
        for member in self._members.values():
            member.feed.offer((Name.SERVER_SHUTDOWN.value, ""), packet)

    async def close(self) -> None:
        """End every connection, within `CLOSE_S`, and python-socketio's tasks."""
        for sid in self._members:
            self._cut(sid)
        if self._leaving:
            await asyncio.wait(self._leaving, timeout=CLOSE_S)
        await self._sio.shutdown()

    def _miss(self, count: int) -> None:
        for member in self._members.values():
            if member.kind == "frontend":
                member.feed.miss(count)

    def _cut(self, sid: str) -> None:
        task = asyncio.create_task(self._sio.disconnect(sid), name="socket cut off")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _close_ended_sessions(self) -> None:
        known = {one for member in self._members.values() if (one := member.visitor.session) is not None}
        if not known:
            return
        try:
            ended = await self._sessions.ended(known)
        except SQLAlchemyError:
            return  # asked again in a second; /readyz tells of the database
        for sid, member in self._members.items():
            if member.visitor.session in ended:
                self._cut(sid)

    def _catch_up(self, member: Client) -> None:
        skipped = member.feed.catch_up()
        waiting = self._sio.waiting(member.eio_sid)
        if skipped and waiting is not None:
            waiting.put_nowait(self._sio.packet(Name.EVENTS_SKIPPED.value, encode(EventsSkipped(skipped))))

    def _answer(
        self,
        name: Name,
        reply: Name | None,
        right: Right,
        handle: Callable[[str, Client, Any], Awaitable[Struct | Raw | None]],
    ) -> None:
        """Answer an event by another one, and through the acknowledgement where the client asked for one; `reply` is None
        for an event that is an answer itself.
        """

        async def handler(sid: str, data: Any = None, *_more: Any) -> Struct | Raw | None:
            member = self._members.get(sid)
            try:
                if member is None:
                    raise RefusedError(401, "unauthorized", "not connected")
                self._limits.count_login(member.visitor)
                if not member.visitor.may(right):
                    raise RefusedError(403, "forbidden", f"{member.visitor.login} has not the right to {right.value}")
                answer = await handle(sid, member, data)
            except RefusedError as error:
                answer = refusal(error.detail)
            except UnicodeError:
                answer = refusal(ErrorDetail("not_utf8", "text with half a character: a lone surrogate"))
            except Exception:  # whatever a client sends, the others are served
                log.exception("%s failed", name.value)
                answer = refusal(ErrorDetail("internal", "an error of the server's own"))
            if reply is None:
                return None
            await self._sio.emit(reply.value, answer, to=sid)
            return answer

        self._sio.on(name.value, handler)

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> None:
        request: web.Request = environ["aiohttp.request"]
        client = request[PEER]
        kind = _client_type(request)
        try:
            token = auth.get("token") if isinstance(auth, dict) else None
            known = token is not None
            visitor = self._door.by_token(token, client) if known else await self._door.visitor(request, client)
            _check_kind(visitor, kind)
        except RefusedError as error:
            raise JoinRefusedError(str(error)) from error
        eio_sid = self._sio.manager.eio_sid_from_sid(sid, "/")
        waiting = self._sio.waiting(eio_sid)
        if waiting is None:
            raise JoinRefusedError("the connection is gone")
        feed = SendQueue(lambda: waiting.size < WAITING_BYTES, waiting.put_nowait)
        own = {visitor.login} if visitor.login is not None and kind == "esp32" else set()
        self._arriving[sid] = Client(kind, visitor, eio_sid, feed, own)

    async def _joined(self, sid: str) -> None:
        member = self._arriving.pop(sid, None)
        if member is None:
            return
        self._members[sid] = member
        await self._sio.emit(Name.CONNECTION_STATUS.value, ConnectionStatus("connected", member.kind), to=sid)
        if member.kind == "frontend":
            await self._sio.emit(Name.CLIENT_STATS.value, self.stats, to=sid)

    async def _disconnect(self, sid: str, _reason: Any = None) -> None:
        member = self._arriving.pop(sid, None) or self._members.pop(sid, None)
        if member is not None:
            self._sio.left(member.eio_sid)

    def _tell_stats(self) -> None:
        self._told = self.stats
        packet = self._sio.packet(Name.CLIENT_STATS.value, encode(self._told))
        for member in self._members.values():
            if member.kind == "frontend":
                member.feed.offer((Name.CLIENT_STATS.value, ""), packet)

    async def _sample(self, _sid: str, member: Client, data: Any) -> Raw:
        answer = await self._uplink.send(data, member.visitor.sends_as)
        self._metrics.count("socketio", answer.received)
        if answer.received.status != "error" and member.kind == "esp32" and len(member.devices) < MAX_DEVICES:
            member.devices.add(answer.device_id)
        return Raw(answer.raw)

    async def _page(self, _sid: str, member: Client, data: Any) -> HistoryData:
        try:
            return await self._history.answer(parse_request(data), member.visitor.devices)
        except HistoryError as error:
            return HistoryData((), 0, error.detail)

    async def _annotate(self, _sid: str, member: Client, data: Any) -> AnnotationSaved:
        try:
            request = msgspec.convert(data, AnnotationRequest)
            return AnnotationSaved("success", await self._annotations.add(member.visitor, request))
        except msgspec.ValidationError as error:
            return AnnotationSaved("error", error=ErrorDetail("invalid", f"cannot read the request: {error}"))
        except RefusedError as error:
            return AnnotationSaved("error", error=error.detail)

    async def _publish(self, channel: Channel, _sid: str, member: Client, data: Any) -> None:
        """Publish what a device emits on a channel of its own, as it would over MQTT."""
        if member.kind != "esp32" or not member.devices:
            return
        named = data.get("device_id") if isinstance(data, dict) else None
        device_id = named if isinstance(named, str) and named in member.devices else next(iter(member.devices))
        try:
            payload = encode(msgspec.convert(data, channel.payload))
        except (msgspec.ValidationError, UnicodeError) as error:
            self._bridge.refuse(channel, "invalid", f"from {device_id} over Socket.IO: {error}")
        else:
            await self._uplink.publish(channel, device_id, payload)

    async def _subscribe(self, _sid: str, _member: Client, _data: Any) -> AlertSubscription:
        return AlertSubscription("subscribed")

    async def _pong(self, _sid: str, _member: Client, _data: Any) -> Pong:
        return Pong(self._now())

    async def _check(self, _sid: str, _member: Client, _data: Any) -> HealthStatus:
        return await self._health()

    def _allow(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        request: web.Request = environ["aiohttp.request"]
        if origin == DEVICE_ORIGIN:
            return is_device(request)
        return self._origins.allow(origin, request.get(HOST))


def _client_type(request: web.Request) -> ClientType:
    """What the URL says, the last word of it; nobody knows a third kind."""
    return "esp32" if request.query.getall("type", [""])[-1] == "esp32" else "frontend"


def _check_kind(visitor: Caller, kind: ClientType) -> None:
    """Raises `RefusedError` where the visitor may not be a client of that kind."""
    right = Right.SEND if kind == "esp32" else Right.WATCH
    if visitor.may(right):
        return
    if visitor.stranger:
        raise RefusedError(401, "unauthorized", 'this needs a login: connect with auth {"token": "..."}')
    hint = "; a device connects with ?type=esp32" if visitor.may(Right.SEND) else ""
    raise RefusedError(403, "forbidden", f"{visitor.login} has not the right to {right.value}{hint}")


def _payload(message: Inbound) -> bytes:
    """The JSON for clients: the fields that the contract knows, since some clients end over what others put beside them (a
    number of hundreds of digits). What a device publishes leaves its topic, which said whose it is.
    """
    payload = message.payload
    if message.channel in _NAMED_BY_TOPIC:
        payload = msgspec.structs.replace(payload, device_id=message.device_id)
    return encode(payload)


_NAMED_BY_TOPIC: Final = frozenset(
    channel for channel in CHANNELS if channel.sender == "device" and "device_id" in channel.payload.__struct_fields__
)
