"""The HTTP listener: a limit on connections, keep-alive, and JSON errors for requests that are not HTTP.

Beyond the limit a client is answered 503 before anything is kept for it.
"""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import hdrs, web
from aiohttp.http_exceptions import ContentEncodingError

from gateway.errors import HttpError
from gateway.http.routing import error_response
from gateway.request_body import unknown_encoding

MAX_CONNECTIONS: Final = 5_000
"""HTTP connections and WebSockets at once."""
KEEP_ALIVE_S: Final = 75.0
"""Keep-alive: a connection without a whole request for so long is closed, idle or sending a header byte by byte."""
MAX_HEADERS: Final = 64
SERVER: Final = "stresswire"
"""The header Server, which does not tell the libraries and their releases."""
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 38\r\n\r\ntoo many connections; try again later\n"
)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
First = Callable[[web.BaseRequest, Handler], Awaitable[web.StreamResponse]]
"""Called with each request and its handler, before the route is looked for."""


class Listener:
    """Accepts connections for `server`, about `max_connections` at once; a few more may come in the same instant."""

    def __init__(
        self, server: web.Server, log: logging.Logger, *, first: First | None = None, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        self._server = server
        self._log = log
        self._max_connections = max_connections
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
        """Accept no more connections; those that are open stay."""
        if self._listening is not None:
            self._listening.close()

    def _accept(self) -> asyncio.Protocol:
        if len(self._server.connections) >= self._max_connections:
            return _Busy()
        options: dict[str, Any] = {
            "access_log": None,
            "logger": self._log,
            "keepalive_timeout": KEEP_ALIVE_S,
            "max_headers": MAX_HEADERS,
        }
        return _Connection(self._server, loop=asyncio.get_running_loop(), **options)


class _Connection(web.RequestHandler):
    """aiohttp's handler of a connection, which answers malformed requests with a JSON error."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Log, and answer with a JSON error. Raises ConnectionError if the client is gone."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client is gone: there is nothing to answer, and nothing is wrong here
        super().handle_error(request, status, exc, message)
        if status >= 500:
            rejected = HttpError(status, "internal", "an error of the server's own")
        elif isinstance(exc, ContentEncodingError):
            rejected = unknown_encoding(None)
        else:
            reason = (message or "").partition("\n")[0].rstrip(" :")
            rejected = HttpError(status, "invalid", f"this is no request of HTTP/1.1: {reason or 'it cannot be read'}")
        response = error_response(rejected)
        sign(response)
        response.force_close()
        return response


def sign(response: web.StreamResponse) -> None:
    """Set the header Server."""
    response.headers[hdrs.SERVER] = SERVER


class _Busy(asyncio.Protocol):
    """Answers 503 and closes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(_BUSY)
            transport.close()
