"""The Socket.IO side: who is connected, what they may ask, what they are sent."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

import msgspec
from aiohttp import web
from msgspec import Raw, Struct

from broker.bus import Message
from broker.contract import (
    DATA_RECEIVED,
    DEVICE_COMMAND,
    DEVICE_STATUS,
    MAX_PAYLOAD_BYTES,
    SENSOR_DATA,
    AlertSubscription,
    ClientStats,
    ClientType,
    ConnectionStatus,
    DeviceStatus,
    ErrorDetail,
    HealthStatus,
    HistoryData,
    Name,
    Pong,
    device_of,
    encode,
    name_of,
)
from gateway import wire
from gateway.compat import DEVICE_ORIGIN, Server
from gateway.origins import Origins
from gateway.quiet import OneLine
from gateway.uplink import Uplink, refusal
from storage.history import History, HistoryError, parse_request

log = logging.getLogger(__name__)

FRONTENDS = "frontend"
_ENVELOPE_BYTES = 1024
"""What Socket.IO adds around a payload."""


class Sockets:
    """All Socket.IO clients.

    Args:
        uplink: takes samples.
        history: answers history requests.
        health: how the parts are.
        origins: whose pages may connect.
        now: the server's time, in UTC.
    """

    def __init__(
        self,
        uplink: Uplink,
        history: History,
        health: Callable[[], Awaitable[HealthStatus]],
        origins: Origins,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._uplink = uplink
        self._history = history
        self._health = health
        self._origins = origins
        self._now = now
        self._clients: dict[str, ClientType] = {}
        engine_log = logging.getLogger("gateway.engineio")
        engine_log.addFilter(OneLine(ValueError))
        engine_log.setLevel(logging.WARNING)
        self._sio = Server(
            async_mode="aiohttp",
            json=wire,
            cors_allowed_origins=self._allow,
            # The client has joined before `connect` runs, so that nothing is sent to it before that.
            always_connect=True,
            max_http_buffer_size=MAX_PAYLOAD_BYTES + _ENVELOPE_BYTES,
            engineio_logger=engine_log,
        )
        self._sio.on("connect", self._connect)
        self._sio.on("disconnect", self._disconnect)
        self._answer(SENSOR_DATA.name, DATA_RECEIVED.name, self._sample)
        self._answer(Name.REQUEST_HISTORY, Name.HISTORY_DATA, self._page)
        self._answer(Name.SUBSCRIBE_ALERTS, Name.ALERT_SUBSCRIPTION, self._subscribe)
        self._answer(Name.PING, Name.PONG, self._pong)
        self._answer(Name.HEALTH_CHECK, Name.HEALTH_STATUS, self._check)

    @property
    def stats(self) -> ClientStats:
        """How many clients are connected."""
        devices = sum(kind == "esp32" for kind in self._clients.values())
        return ClientStats(total=len(self._clients), esp32=devices, frontend=len(self._clients) - devices)

    def attach(self, app: web.Application) -> None:
        """Serve ``/socket.io/`` in `app`."""
        self._sio.attach(app)

    async def forward(self, message: Message) -> None:
        """Send a message of the bus to whom it is for: encoded already, its bytes are passed on."""
        name, device_id = name_of(message.topic), device_of(message.topic)
        room = _device_room(device_id) if name == DEVICE_COMMAND.name else FRONTENDS
        await self._sio.emit(name, Raw(_with_device(name, device_id, message.payload)), room=room)

    async def close(self) -> None:
        """Tell every client that the server goes."""
        await self._sio.shutdown()

    def _answer(self, name: Name, reply: Name, handle: Callable[[str, Any], Awaitable[Struct | Raw]]) -> None:
        """Answer an event by another one, and through the acknowledgement where the client asked for one."""

        async def handler(sid: str, data: Any = None, *_more: Any) -> Struct | Raw:
            try:
                answer = await handle(sid, data)
            except Exception:  # whatever a client sends, the others are served
                log.exception("%s failed", name.value)
                answer = refusal(ErrorDetail("internal", "an error of the server's own"))
            await self._sio.emit(reply.value, answer, to=sid)
            return answer

        self._sio.on(name.value, handler)

    async def _connect(self, sid: str, environ: Mapping[str, Any], _auth: Any = None) -> None:
        kind = _client_type(environ)
        self._clients[sid] = kind
        if kind == "frontend":
            await self._sio.enter_room(sid, FRONTENDS)
        await self._sio.emit(Name.CONNECTION_STATUS.value, ConnectionStatus("connected", kind), to=sid)
        await self._tell_stats()

    async def _disconnect(self, sid: str, _reason: Any = None) -> None:
        if self._clients.pop(sid, None) is not None:
            await self._tell_stats()

    async def _tell_stats(self) -> None:
        await self._sio.emit(Name.CLIENT_STATS.value, self.stats, room=FRONTENDS)

    async def _sample(self, sid: str, data: Any) -> Raw:
        answer = await self._uplink.send(data)
        if answer.received.status != "error" and self._clients.get(sid) == "esp32":
            await self._sio.enter_room(sid, _device_room(answer.device_id))
        return Raw(answer.raw)

    async def _page(self, _sid: str, data: Any) -> HistoryData:
        try:
            page = await self._history.page(parse_request(data))
        except HistoryError as error:
            return HistoryData((), 0, error.detail)
        return HistoryData(page, len(page))

    async def _subscribe(self, _sid: str, _data: Any) -> AlertSubscription:
        return AlertSubscription("subscribed")

    async def _pong(self, _sid: str, _data: Any) -> Pong:
        return Pong(self._now())

    async def _check(self, _sid: str, _data: Any) -> HealthStatus:
        return await self._health()

    def _allow(self, origin: str | None, environ: Mapping[str, Any]) -> bool:
        if origin == DEVICE_ORIGIN:
            return _client_type(environ) == "esp32"
        return self._origins.allow(origin, environ.get("HTTP_HOST"))


def _client_type(environ: Mapping[str, Any]) -> ClientType:
    """What the URL says; nobody knows a third kind."""
    query = parse_qs(environ.get("QUERY_STRING", ""))
    return "esp32" if query.get("type", [""])[-1] == "esp32" else "frontend"


def _with_device(name: str, device_id: str, payload: bytes) -> bytes:
    """A device's status leaves its topic, which said whose it is."""
    if name != DEVICE_STATUS.name:
        return payload
    status = msgspec.json.decode(payload, type=DeviceStatus)
    return encode(msgspec.structs.replace(status, device_id=device_id))


def _device_room(device_id: str) -> str:
    return f"device:{device_id}"
