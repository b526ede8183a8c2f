"""MQTT over WebSocket (MQTT 3.1.1, section 6), for pages: frames become a byte stream for the embedded broker, and back."""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import WSMsgType, hdrs, web

from broker.embedded.connection import MAX_PACKET, Connection
from broker.embedded.transport import WRITE_AHEAD, Transport
from broker.protocol.packet_types import FIXED_HEADER
from gateway.access.origins import Origins
from gateway.headers import HOST

MQTT: Final = "/mqtt"
_SUBPROTOCOL: Final = "mqtt"


Connect = Callable[[Transport, str], Connection]
"""Connects an MQTT client to the embedded broker, by its transport and address."""


class MqttSocket:
    """Connects pages to the broker.

    Args:
        connect: makes a connection at the embedded broker.
        origins: pages that may connect.
    """

    def __init__(self, connect: Connect, origins: Origins) -> None:
        self._connect = connect
        self._origins = origins

    def add_to(self, app: web.Application) -> None:
        """Add the route."""
        app.router.add_get(MQTT, self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if not self._origins.allows(request.headers.get(hdrs.ORIGIN), request.get(HOST)):
            raise web.HTTPForbidden(reason="pages from this origin may not connect")
        socket = web.WebSocketResponse(protocols=(_SUBPROTOCOL,), max_msg_size=MAX_PACKET + FIXED_HEADER, compress=False)
        if not socket.can_prepare(request):
            raise web.HTTPUpgradeRequired(reason="MQTT over WebSocket is spoken here")
        await socket.prepare(request)
        if socket.ws_protocol != _SUBPROTOCOL:
            await socket.close(message=b"the subprotocol must be mqtt")  # [MQTT-6.0.0-3]
            return socket
        wire = _Frames(socket, request.transport)
        connection = wire.connection = self._connect(wire, request.remote or "")
        writing = asyncio.create_task(wire.send_all(), name="mqtt over websocket")
        try:
            await _read(socket, wire, connection)
        finally:
            connection.lost()
            await writing
        return socket


async def _read(socket: web.WebSocketResponse, wire: "_Frames", connection: Connection) -> None:
    async for frame in socket:
        if frame.type is not WSMsgType.BINARY:
            connection.close("a frame that is not binary [MQTT-6.0.0-1]")
            return
        connection.received(frame.data)
        await wire.readable.wait()


class _Frames(Transport):
    """A transport that writes binary WebSocket frames."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self.connection: Connection | None = None
        self.readable = asyncio.Event()
        self.readable.set()
        self._socket = socket
        self._transport = transport
        self._waiting = bytearray()
        self._filled = asyncio.Event()
        self._closing = False
        self._full = False
        self._sending = 0

    def write(self, data: bytes) -> None:
        self._waiting += data
        self._filled.set()
        self._tell()

    def unsent(self) -> int:
        return len(self._waiting) + self._sending

    def pause(self) -> None:
        self.readable.clear()

    def resume(self) -> None:
        self.readable.set()

    def close(self) -> None:
        self._closing = True
        self._filled.set()
        self.readable.set()

    def finish(self) -> None:
        """A WebSocket cannot say that it writes no more."""

    def abort(self) -> None:
        self.close()
        if self._transport is not None:
            self._transport.abort()

    async def send_all(self) -> None:
        """Send until the connection is closed and nothing is left."""
        try:
            while self._waiting or not self._closing:
                await self._filled.wait()
                self._filled.clear()
                data, self._waiting = bytes(self._waiting), bytearray()
                self._sending = len(data)
                if data:
                    await self._socket.send_bytes(data)
                self._sending = 0
                self._tell()
            await self._socket.close()
        except ConnectionError:
            self._waiting.clear()  # the client is gone, which the reading side tells

    def _tell(self) -> None:
        full = self.unsent() > WRITE_AHEAD
        if full != self._full and self.connection is not None:
            self._full = full
            self.connection.writable(not full)
