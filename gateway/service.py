"""The gateway: opens the HTTP listener, forwards between bus and clients, and closes in order."""

import asyncio
import logging
import ssl
import time
from types import TracebackType
from typing import Final, Self

from aiohttp import web
from aiohttp.http import HttpProcessingError
from msgspec import Struct

from broker.bus import why
from broker.pacing.log_limiter import RateLimitedLogFilter
from broker.pacing.supervisor import Supervisor
from gateway.bridge import Bridge
from gateway.http.listener import Listener
from gateway.http.middleware import Middleware
from gateway.socketio import arduino
from gateway.socketio.broadcast import Broadcast
from gateway.socketio.clients import Clients

SHUTDOWN_S: Final = 2.0


class GatewayError(Exception):
    """The listener cannot be opened; the message names the address and the reason."""


class Address(Struct, frozen=True):
    """The listener's address; port 0 takes a free one. With `tls` it speaks TLS only."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Gateway:
    """A gateway: `open` lets clients in, `run` forwards until the bus closes, and leaving it as a context closes it.

    Attributes:
        host, port: where the listener is; `port` is the true one after `open`.
    """

    def __init__(
        self,
        app: web.Application,
        middleware: Middleware,
        bridge: Bridge,
        server: arduino.Server,
        clients: Clients,
        broadcast: Broadcast,
        address: Address,
        supervisor: Supervisor,
    ) -> None:
        self.host = address.host
        self.port = address.port
        self._tls = address.tls
        self._middleware = middleware
        self._bridge = bridge
        self._server = server
        self._clients = clients
        self._broadcast = broadcast
        self._supervisor = supervisor
        self._log = logging.getLogger("gateway.server")
        self._log.addFilter(RateLimitedLogFilter(web.RequestPayloadError, HttpProcessingError, now_s=time.monotonic))
        self._runner = web.AppRunner(app, shutdown_timeout=SHUTDOWN_S)
        self._listener: Listener | None = None

    async def open(self) -> None:
        """Open the listener. Raises `GatewayError` if the address is taken or not ours."""
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101 - `setup` made it
        self._listener = Listener(self._runner.server, self._log, first=self._middleware.enter)
        try:
            self.port = await self._listener.open(self.host, self.port, self._tls)
        except (OSError, OverflowError, UnicodeError) as error:
            raise GatewayError(f"cannot listen for HTTP on {self.host}:{self.port}: {why(error)}") from error

    def revoke(self, login: str) -> None:
        """Disconnect every client of a login that has ended."""
        self._clients.revoke(login)

    async def leave(self) -> None:
        """Accept no more connections, and tell the clients; what they have asked is still answered."""
        if self._listener is not None:
            self._listener.close()
        self._middleware.leave()
        self._broadcast.announce_shutdown()

    async def run(self) -> None:
        """Forward until the bus closes."""

        async def look_after_sockets() -> None:
            await self._broadcast.run(lambda: self._bridge.live_dropped)

        keep, bridge = self._supervisor.keep, self._bridge
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(keep("gateway answers", bridge.forward_answers), name="gateway answers")
            tasks.create_task(keep("gateway command results", bridge.forward_results), name="gateway command results")
            sockets = tasks.create_task(keep("gateway sockets", look_after_sockets), name="gateway sockets")
            await keep("gateway live events", bridge.forward_live)
            sockets.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._clients.close()
        await self._server.shutdown()
        await self._runner.cleanup()
