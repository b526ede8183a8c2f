"""Clients that Socket.IO 5 would reject: Arduino sketches are served, old JavaScript clients get a readable error.

arduinoWebSockets' SocketIOclient 2.7, as seen on the wire:

* Its URL says ``EIO=3``, or no EIO at all, though what it speaks afterwards is understood: the request is read as EIO=4.
* It sends ``Origin: file://``, which no page of a browser does.
* Sketches written for Socket.IO 2 emit without having joined the namespace: the first event joins.

socket.io-client 1 and 2 really speak Engine.IO 3: their heart beats the other way round, and their packets are framed
differently. They are answered in their own language with an error that says what to do, which they show as `error`.
"""

from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from broker.contract import CLIENT_EVENTS, MAX_PAYLOAD_BYTES
from gateway.access.origins import Origins
from gateway.headers import HOST
from gateway.paths import SOCKET_IO
from gateway.socketio import server as engine

DEVICE_ORIGIN: Final = "file://"
_ARDUINO: Final = "arduino-WebSocket-Client"
_EVENT: Final = "2"
TOO_OLD: Final = "this server speaks Socket.IO 3 and later: use socket.io-client 4 (npm install socket.io-client@4)"
_OPEN: Final = '0{"sid":"refused","upgrades":[],"pingInterval":25000,"pingTimeout":20000}'
_ERROR: Final = f'44"{TOO_OLD}"'


class Server(engine.Server):
    """The server for the contract's events: a device's first event joins it to the namespace.

    Args:
        origins: pages that may connect.
    """

    def __init__(self, origins: Origins) -> None:
        def allow(origin: str | None, request: web.Request) -> bool:
            if origin == DEVICE_ORIGIN:
                return is_device(request)
            return origins.allows(origin, request.get(HOST))

        super().__init__(CLIENT_EVENTS, allow)

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        # There is no public hook before a packet is dropped for want of a namespace.
        unjoined = isinstance(data, str) and data.startswith(_EVENT) and self.manager.sid_from_eio_sid(eio_sid, "/") is None
        if unjoined and is_device(self.environ[eio_sid]["aiohttp.request"]):
            await self._handle_connect(eio_sid, "/", None)
        await super()._handle_eio_message(eio_sid, data)


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Rewrite what devices ask of Socket.IO, and answer clients that are too old; other requests pass as they are."""
    if not request.path.startswith(SOCKET_IO):
        return await handler(request)
    return await refuse_eio_3(request) or await handler(as_eio_4(request))


def is_device(request: web.Request) -> bool:
    """Return True if the client says that it is an ESP32, or is known to be one."""
    return request.query.get("type") == "esp32" or request.headers.get(hdrs.USER_AGENT, "").startswith(_ARDUINO)


def as_eio_4(request: web.Request) -> web.Request:
    """Return a device's first request with the protocol's version that it means; any other request as it is."""
    if "sid" in request.query or request.query.getall("EIO", []) == ["4"] or not is_device(request):
        return request
    return request.clone(rel_url=request.rel_url.update_query(EIO="4"))


async def refuse_eio_3(request: web.Request) -> web.StreamResponse | None:
    """Answer a client that speaks Engine.IO 3; return None for all others."""
    if request.query.get("EIO") != "3" or is_device(request):
        return None
    socket = web.WebSocketResponse(max_msg_size=MAX_PAYLOAD_BYTES)
    if request.query.get("transport") == "websocket" and socket.can_prepare(request):
        await socket.prepare(request)
        await socket.send_str(_OPEN)
        await socket.send_str(_ERROR)
        await socket.close()
        return socket
    # Engine.IO 3 frames packets by their length in characters.
    text = "".join(f"{len(packet)}:{packet}" for packet in (_OPEN, _ERROR))
    return web.Response(text=text, content_type="text/plain", charset="utf-8")
