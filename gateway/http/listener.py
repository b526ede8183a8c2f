"""The listener: a limit on connections, and our own words for what is no HTTP.

Beyond the limit a client is told to come again, before anything is kept for it.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import hdrs, web

from gateway.errors import HttpError
from gateway.http.routing import error_response

MAX_CONNECTIONS: Final = 5_000
"""HTTP connections and WebSockets at once."""
KEEP_ALIVE_S: Final = 75.0
"""A connection that has no whole request by then is closed: one that idles, and one that sends a header byte by byte."""
MAX_HEADERS: Final = 64
SERVER: Final = "stresswire"
"""The header Server: who asks need not know which libraries of which release answer."""
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 38\r\n\r\ntoo many connections; try again later\n"
)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
First = Callable[[web.BaseRequest, Handler], Awaitable[web.StreamResponse]]
"""What is given each request, and what to serve it with, before its route is looked for."""


class Listener:
    """Accepts connections for `server`, at most `most` at once; those that come in the same instant may be some more."""

    def __init__(
        self, server: web.Server, log: logging.Logger, *, first: First | None = None, most: int = MAX_CONNECTIONS
    ) -> None:
        self._server = server
        self._log = log
        self._most = most
        self._listening: asyncio.Server | None = None
        if first is not None:
            route = server.request_handler
            server.request_handler = lambda request: first(request, route)

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None = None) -> int:
        """Listen; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._listening = await loop.create_server(self._accept, host, port, ssl=tls, backlog=1_024)
        name = self._listening.sockets[0].getsockname()
        return int(name[1])

    def close(self) -> None:
        """Let nobody in any more; those who are in stay."""
        if self._listening is not None:
            self._listening.close()

    def _accept(self) -> asyncio.Protocol:
        if len(self._server.connections) >= self._most:
            return _Busy()
        options: dict[str, Any] = {
            "access_log": None,
            "logger": self._log,
            "keepalive_timeout": KEEP_ALIVE_S,
            "max_headers": MAX_HEADERS,
        }
        return _Connection(self._server, loop=asyncio.get_running_loop(), **options)


class _Connection(web.RequestHandler):
    """aiohttp's own, whose answer to what is no HTTP is like all our answers."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Log, and say what is wrong in our own form. Raises ConnectionError where nobody can be told."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client is gone: nobody is to be told, and nothing is wrong here
        super().handle_error(request, status, exc, message)
        if status >= 500:
            rejected = HttpError(status, "internal", "an error of the server's own")
        else:
            what = (message or "").partition("\n")[0].rstrip(" :")
            rejected = HttpError(status, "invalid", f"this is no request of HTTP/1.1: {what or 'it cannot be read'}")
        response = error_response(rejected)
        sign(response)
        response.force_close()
        return response


def sign(response: web.StreamResponse) -> None:
    """Say by the header Server who answers."""
    response.headers[hdrs.SERVER] = SERVER


class _Busy(asyncio.Protocol):
    """Says so and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(_BUSY)
            transport.close()
