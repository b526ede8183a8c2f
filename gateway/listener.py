"""The listener, with a limit on connections: beyond it a client is told to come again, before anything is kept for it."""

import asyncio
import ssl
from typing import Final

from aiohttp import web

MAX_CONNECTIONS: Final = 5_000
"""HTTP connections and WebSockets at once."""
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 38\r\n\r\ntoo many connections; try again later\n"
)


class Listener:
    """Accepts connections for `server`, at most `most` at once; those that come in the same instant may be some more."""

    def __init__(self, server: web.Server, most: int = MAX_CONNECTIONS) -> None:
        self._server = server
        self._most = most
        self._listening: asyncio.Server | None = None

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
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
        return _Busy() if len(self._server.connections) >= self._most else self._server()


class _Busy(asyncio.Protocol):
    """Says so and hangs up."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(_BUSY)
            transport.close()
