"""What devices send that Socket.IO 5 would refuse; each is seen on the wire of arduinoWebSockets' SocketIOclient 2.7.

* Its URL says ``EIO=3``, or no EIO at all, though what it speaks afterwards is understood: the request is read as EIO=4.
* It sends ``Origin: file://``, which no page of a browser does.
* Sketches written for Socket.IO 2 emit without having joined the namespace: the first event joins.

python-socketio is untyped and is imported here alone.
"""

from typing import Any

import socketio  # type: ignore[import-untyped]
from aiohttp import web

DEVICE_ORIGIN = "file://"
_ARDUINO = "arduino-WebSocket-Client"
_EVENT = "2"


class Server(socketio.AsyncServer):  # type: ignore[misc]
    """python-socketio's server, which a device's first event joins to the namespace."""

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        # There is no public hook before a packet is dropped for want of a namespace.
        if isinstance(data, str) and data.startswith(_EVENT) and self.manager.sid_from_eio_sid(eio_sid, "/") is None:
            await self._handle_connect(eio_sid, "/", None)
        await super()._handle_eio_message(eio_sid, data)


def as_eio_4(request: web.Request) -> web.Request:
    """A device's first request, with the protocol's version that it means; any other request as it is."""
    query = request.query
    if "sid" in query or query.getall("EIO", []) == ["4"]:
        return request
    if query.get("type") != "esp32" and not request.headers.get("User-Agent", "").startswith(_ARDUINO):
        return request
    return request.clone(rel_url=request.rel_url.update_query(EIO="4"))
