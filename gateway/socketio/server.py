"""python-socketio's server with bounds: on what waits for a client, on what a client may have in work, and on idle sockets.

python-socketio and python-engineio are untyped and are imported here alone.
"""

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, Final

import engineio  # type: ignore[import-untyped]
import engineio.packet  # type: ignore[import-untyped]
import engineio.payload  # type: ignore[import-untyped]
import socketio  # type: ignore[import-untyped]
import socketio.exceptions  # type: ignore[import-untyped]
from aiohttp import hdrs, web
from msgspec import Raw
from socketio import packet

from broker.contract import MAX_PAYLOAD_BYTES, SENSOR_DATA, ErrorDetail, EventRejected, Name, encode
from broker.contract.requests import suggestion
from broker.pacing.log_limiter import RateLimitedLogFilter
from gateway import json_codec
from gateway.errors import HttpError
from gateway.request_body import read_body

MAX_SOCKETS: Final = 10_000
"""Sockets at once, in the namespace or not."""
MAX_IN_WORK: Final = 64
"""Events of one client that may be in work; it is not read further before one is done."""
WAITING_BYTES: Final = 256 * 1024
"""Bytes that may wait for a client; beyond it live events are conflated."""
OVERRUN_BYTES: Final = 2 * 1024 * 1024
"""A client for which more waits asks for answers and does not read them: it is disconnected."""
CONNECT_TIMEOUT_S: Final = 30.0
"""A socket that is outside the namespace for so long is closed: it never joined, or has left."""
CLOSE_TIMEOUT_S: Final = 5.0
"""Time that a connection may take to close before it is aborted."""
SEND_BUFFER: Final = 128 * 1024
"""The kernel's send buffer of a socket, which might grow to megabytes for a client that does not read."""
MAX_ATTACHMENTS: Final = 8
MAX_BODY: Final = MAX_PAYLOAD_BYTES + 1024
"""Bytes of one message, or of one body of long polling: a payload and what Socket.IO adds around it."""
MAX_PACKETS: Final = MAX_BODY // len(f'42["{SENSOR_DATA.name.value}",{{"hr":70}}]|')
"""Packets in one body: as many of the shortest sample as its bytes have room for. The library's own limit of 16 loses the
rest of what a client has gathered during an outage, behind an answer that says 200."""
PACKETS_A_POLL: Final = 16
"""Packets in one answer to a poll: clients in Python take no more by default."""

_SEPARATOR: Final = b"\x1e"
_BODY: Final = web.RequestKey("engineio_body", bytes)

NAMESPACE: Final = "/"
JoinRejectedError = socketio.exceptions.ConnectionRefusedError


# A setting of the library's module: it has no other place for it.
engineio.payload.Payload.max_decode_packets = MAX_PACKETS


class Waiting(asyncio.Queue[Any]):
    """Packets that wait for a client; knows their size in characters, and gives `PACKETS_A_POLL` at most after a `get`.

    asyncio names `_put` and `_get` for overriding.
    """

    size = 0
    _given = 0

    def __init__(self) -> None:
        super().__init__()
        self._readers: deque[asyncio.Future[Any]] = deque()

    def get(self) -> asyncio.Future[Any]:  # type: ignore[override]
        """Return a future of a packet, the first one of an answer. (Of a coroutine python-engineio would make a task.)"""
        reader = asyncio.get_running_loop().create_future()
        if self.empty():
            self._readers.append(reader)
        else:
            self._give(reader)
        return reader

    def put_nowait(self, item: Any) -> None:
        """Add a packet, or give it to the reader that waits the longest."""
        super().put_nowait(item)
        while self._readers:
            reader = self._readers.popleft()
            if not reader.done():
                self._give(reader)
                break

    def _give(self, reader: asyncio.Future[Any]) -> None:
        self._given = 0
        reader.set_result(self.get_nowait())

    def get_nowait(self) -> Any:
        """Raises `asyncio.QueueEmpty` if nothing waits, and if an answer is full."""
        if self._given >= PACKETS_A_POLL:
            raise asyncio.QueueEmpty
        item = super().get_nowait()
        self._given += 1
        return item

    def _put(self, item: Any) -> None:
        self.size += _size(item)
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self.size -= _size(item)
        return item


def _size(packet: Any) -> int:
    return len(packet.data) if packet is not None and isinstance(packet.data, str | bytes) else 0


class _Engine(engineio.AsyncServer):  # type: ignore[misc]
    """Its sockets' queues know their size, and it knows each WebSocket's transport."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.connections: dict[str, asyncio.Transport] = {}
        # There is no public way to hand over a body that has been read.
        driver: dict[str, Any] = self._async  # type: ignore[has-type]
        self._async = {**driver, "translate_request": partial(_environ, driver["translate_request"])}

    def create_queue(self, *_args: Any, **_options: Any) -> Waiting:
        return Waiting()

    async def disconnect(self, sid: str | None = None) -> None:
        """End a socket: what waits is sent, if the client reads; python-engineio would wait for that, maybe for ever."""
        known = self.sockets.get(sid)
        if known is not None:
            await known.close(wait=False, reason=self.reason.SERVER_DISCONNECT)
            known.queue.put_nowait(None)
            self.sockets.pop(sid, None)

    async def handle_request(self, request: web.Request) -> Any:
        sid = request.query.get("sid")
        upgraded = request.headers.get(hdrs.UPGRADE, "").lower() == "websocket"
        transport = request.query.get("transport", "polling")
        if transport not in ("polling", "websocket"):
            raise HttpError(400, "invalid", f"transport must be polling or websocket, got {transport[:40]!r}", "transport")
        if transport == "websocket" and not web.WebSocketResponse().can_prepare(request):
            raise HttpError(400, "invalid", "transport=websocket needs the handshake of a WebSocket")
        if upgraded and request.transport is not None:
            _limit(request.transport)
            if sid is not None and sid in self.sockets:
                self.connections[sid] = request.transport
        elif sid is None and len(self.sockets) >= MAX_SOCKETS:
            raise web.HTTPServiceUnavailable(reason="too many sockets are open; try again later")
        if request.method == hdrs.METH_POST and sid is not None and sid in self.sockets:
            request = await self._read(sid, request)
        try:
            return _answer_in_words(await super().handle_request(request))
        except ValueError as error:
            # A packet that is none ends python-engineio's loop, which then forgets the socket.
            await self._abort(request.transport)
            raise HttpError(400, "invalid", f"not a packet of Engine.IO: {error}") from error

    async def _read(self, sid: str, request: web.Request) -> web.Request:
        """The request with its body. A socket whose client sends what is no list of packets is ended: python-engineio would
        drop all of it and answer 200.
        """
        try:
            body = await read_body(request.clone(client_max_size=MAX_BODY))
            packets = body.count(_SEPARATOR) + 1
            if packets > MAX_PACKETS:
                raise HttpError(413, "too_large", f"a body must hold at most {MAX_PACKETS} packets, got {packets}")
            engineio.payload.Payload(encoded_payload=body.decode())
        except (HttpError, web.HTTPRequestEntityTooLarge):
            await self.disconnect(sid)
            raise
        except (ValueError, LookupError) as error:
            await self.disconnect(sid)
            raise HttpError(400, "invalid", "the body is no list of packets of Engine.IO") from error
        request[_BODY] = body
        return request

    async def _abort(self, transport: asyncio.Transport | None) -> None:
        for sid in [sid for sid, known in self.connections.items() if known is transport]:
            await self.disconnect(sid)
        if transport is not None:
            transport.abort()


class _Body:
    """A body that has been read, in the form in which the library reads one."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def read(self, limit: int) -> bytes:
        return self._body[:limit]


def _environ(translate: Callable[[web.Request], dict[str, Any]], request: web.Request) -> dict[str, Any]:
    """Return the library's environ of a request; for a body that has been read, with its true length."""
    environ, body = translate(request), request.get(_BODY)
    return environ if body is None else {**environ, "wsgi.input": _Body(body), "CONTENT_LENGTH": str(len(body))}


_LIBRARYS: Final = (
    ("is not an accepted origin", "pages from this origin may not connect; name it in STRESSWIRE_CORS_ORIGINS"),
    ("Invalid session", "this connection has ended, as after a restart of the server: connect anew"),
    (
        "unsupported version",
        "this server speaks Engine.IO 4: use a client of Socket.IO 3 or later, and EIO=4 in the URL",
    ),
)


def _answer_in_words(response: Any) -> Any:
    """Return a response, or raise `HttpError` with our words in place of the library's."""
    if isinstance(response, web.Response) and response.status == 400 and isinstance(response.body, bytes):
        text = response.body.decode(errors="replace")
        for theirs, ours in _LIBRARYS:
            if theirs in text:
                raise HttpError(400, "invalid", ours)
    return response


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """A server of one namespace.

    Args:
        events: names that a client may emit; all else is ignored.
        allow_origin: decides if a page from an origin, or a request without one, may connect.
    """

    def __init__(self, events: Collection[str], allow_origin: Callable[[str | None, web.Request], bool]) -> None:
        engine_log = logging.getLogger("gateway.engineio")
        engine_log.addFilter(
            RateLimitedLogFilter(Exception, now_s=time.monotonic)
        )  # of what a client sent; our own handlers log theirs
        engine_log.setLevel(logging.WARNING)
        super().__init__(
            async_mode="aiohttp",
            json=json_codec,
            cors_allowed_origins=lambda origin, environ: allow_origin(origin, environ["aiohttp.request"]),
            max_http_buffer_size=MAX_BODY,
            engineio_logger=engine_log,
        )
        self._events = tuple(events)
        self._reject: Callable[[str, str], None] = lambda _what, _name: None
        self._on_joined: Callable[[str], Awaitable[None]] | None = None
        self._in_work: dict[str, asyncio.Semaphore] = {}
        self._outside_s: dict[str, float] = {}
        """Since when a socket has not been in the namespace."""

    def when_rejected(self, call: Callable[[str, str], None]) -> None:
        """Call with what was wrong and the event's name for an event that nothing listens to."""
        self._reject = call

    def when_joined(self, call: Callable[[str], Awaitable[None]]) -> None:
        """Call with a client's `sid` once the client knows that it is in the namespace, before its first event."""
        self._on_joined = call

    @property
    def sockets(self) -> int:
        """The number of open sockets, in the namespace or not."""
        return len(self.eio.sockets)

    def waiting(self, eio_sid: str) -> Waiting | None:
        """Return the packets that wait for a socket; None if it is gone."""
        known = self.eio.sockets.get(eio_sid)
        return None if known is None or known.closed else known.queue

    def packet(self, event: str, data: bytes) -> Any:
        """Encode an event as a packet, once for all clients that it is sent to."""
        encoded = self.packet_class(2, namespace=NAMESPACE, data=[event, Raw(data)]).encode()
        return engineio.packet.Packet(engineio.packet.MESSAGE, encoded)

    def send_event(self, eio_sid: str, event: str, data: bytes) -> None:
        """Let an event wait for one client; python-socketio's `emit` would make a task of it."""
        waiting = self.waiting(eio_sid)
        if waiting is not None:
            waiting.put_nowait(self.packet(event, data))

    def left(self, eio_sid: str) -> None:
        """Note that a client has left the namespace; its socket may still be open."""
        if self.waiting(eio_sid) is not None:
            self._outside_s[eio_sid] = asyncio.get_running_loop().time()

    async def close_idle(self) -> None:
        """Close the sockets that have been outside the namespace for too long."""
        late_s = asyncio.get_running_loop().time() - CONNECT_TIMEOUT_S
        for eio_sid, since_s in list(self._outside_s.items()):
            if since_s < late_s:
                del self._outside_s[eio_sid]
                await self.close_socket(eio_sid)

    async def close_socket(self, eio_sid: str) -> None:
        """Close a socket, whatever waits for it; do nothing if it is gone."""
        known = self.eio.sockets.get(eio_sid)
        if known is not None:
            transport = self.eio.connections.get(eio_sid)
            await known.close(wait=False, abort=True, reason=self.reason.SERVER_DISCONNECT)
            self.eio.sockets.pop(eio_sid, None)
            if transport is not None:
                transport.abort()

    async def end_all(self) -> None:
        """End every socket after what waits for it, as a lost connection ends: clients then connect again by themselves.

        A goodbye in words, Socket.IO's or Engine.IO's, would tell them to stay away.
        """
        for known in list(self.eio.sockets.values()):
            await known.close(wait=False, abort=True, reason=self.reason.SERVER_DISCONNECT)
            known.queue.put_nowait(None)

    async def _handle_eio_connect(self, eio_sid: str, environ: Any) -> Any:
        self._outside_s[eio_sid] = asyncio.get_running_loop().time()
        request: web.Request = environ["aiohttp.request"]
        if request.headers.get(hdrs.UPGRADE) and request.transport is not None:
            self.eio.connections[eio_sid] = request.transport
        return await super()._handle_eio_connect(eio_sid, environ)

    async def _handle_eio_disconnect(self, eio_sid: str, reason: Any = None) -> None:
        self._in_work.pop(eio_sid, None)
        self._binary_packet.pop(eio_sid, None)
        transport = self.eio.connections.pop(eio_sid, None)
        if transport is not None:
            # A client that does not read cannot be sent the close frame.
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.abort)
        await super()._handle_eio_disconnect(eio_sid, reason)
        self._outside_s.pop(eio_sid, None)  # it has left the namespace with this

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        await super()._handle_eio_message(eio_sid, data)
        begun = self._binary_packet.get(eio_sid)
        if begun is not None and begun.attachment_count > MAX_ATTACHMENTS:
            del self._binary_packet[eio_sid]
            raise ValueError(f"more than {MAX_ATTACHMENTS} attachments")

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        if self.manager.sid_from_eio_sid(eio_sid, NAMESPACE) is not None and namespace in (None, NAMESPACE):
            return  # joined already: a second time would be a second client of the same socket
        if namespace not in (None, NAMESPACE):
            hint = "connect to the address without a path; below a path, that goes into the option path"
            message = f"there is no namespace {namespace[:64]}: {hint}"
            refusal = self.packet_class(packet.CONNECT_ERROR, namespace=namespace, data={"message": message})
            await self._send_packet(eio_sid, refusal)
            return
        await super()._handle_connect(eio_sid, namespace, data)
        sid = self.manager.sid_from_eio_sid(eio_sid, NAMESPACE)
        if sid is not None and self.manager.is_connected(sid, NAMESPACE):
            self._outside_s.pop(eio_sid, None)
            if self._on_joined is not None:
                await self._on_joined(sid)

    async def _handle_event(self, eio_sid: str, namespace: str | None, id: Any, data: Any) -> None:  # noqa: A002
        sid = self.manager.sid_from_eio_sid(eio_sid, namespace or NAMESPACE)
        name = data[0] if isinstance(data, list) and data and isinstance(data[0], str) else ""
        if sid is None or not self.manager.is_connected(sid, NAMESPACE):
            self._reject("an event of a client that has not joined the namespace", name)
            return
        if name not in self._events:  # also `connect` and `disconnect`, which python-socketio would take for its own
            await self._answer_unknown(eio_sid, id, name)
            return
        await self._in_work.setdefault(eio_sid, asyncio.Semaphore(MAX_IN_WORK)).acquire()
        await super()._handle_event(eio_sid, namespace, id, data)

    async def _answer_unknown(self, eio_sid: str, number: int | None, name: str) -> None:
        """Tell a client that nothing listens to an event: by an event, and in the acknowledgement if it asked for one."""
        what = f"there is no event {name[:64]!r}" if name else "an event must be an array that begins with its name"
        error = ErrorDetail("not_found", what + suggestion(name, self._events))
        rejected = EventRejected(name[:64], error)
        self._reject("an unknown event", name)
        self.send_event(eio_sid, Name.EVENT_REJECTED.value, encode(rejected))
        if number is not None:
            answer = self.packet_class(packet.ACK, namespace=NAMESPACE, id=number, data=[Raw(encode(rejected))])
            await self._send_packet(eio_sid, answer)

    async def _handle_event_internal(
        self,
        server: Any,
        sid: str,
        eio_sid: str,
        data: Any,
        namespace: str,
        id: Any,  # noqa: A002
    ) -> None:
        try:
            await super()._handle_event_internal(server, sid, eio_sid, data, namespace, id)
        finally:
            slots = self._in_work.get(eio_sid)
            if slots is not None:
                slots.release()
            waiting = self.waiting(eio_sid)
            if waiting is not None and waiting.size > OVERRUN_BYTES:
                await self.close_socket(eio_sid)

    def _engineio_server_class(self) -> type[_Engine]:
        return _Engine


def _limit(transport: asyncio.Transport) -> None:
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
