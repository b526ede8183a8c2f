"""The embedded broker: amqtt in this process, hardened, with in-process subscribers beside those on the network."""

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final, Self, cast

from broker.auth.connect_policy import ConnectPolicy
from broker.auth.identity import Authenticate
from broker.bus import Bus, BusError, why
from broker.embedded.amqtt_adapter import Engine
from broker.embedded.connection import Connection
from broker.embedded.context import Counts, ServerContext, Timeouts
from broker.embedded.router import Router
from broker.embedded.transport import WRITE_AHEAD, Transport
from broker.pacing.log_limiter import LogLimiter
from broker.subscription import Subscription

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 20_000
MAX_STRANGERS: Final = 1_000
"""Connections without a CONNECT yet; one more displaces the oldest, so that nobody is locked out by those who only wait."""
BACKLOG: Final = 1_024
LINGER_S: Final = 0.5
"""How long clients may take, at the end, to read their last acknowledgements and close."""


class _Transport(asyncio.Protocol):
    """TCP or TLS: tells the connection what comes, and is its wire."""

    def __init__(self, bus: "EmbeddedBus") -> None:
        self._bus = bus
        self._transport: asyncio.Transport | None = None
        self._connection: Connection | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_AHEAD)
        peer = transport.get_extra_info("peername")
        self._connection = self._bus.connect(self, str(peer[0]) if peer else "", _common_name(transport))

    def data_received(self, data: bytes) -> None:
        if self._connection is not None:
            self._connection.received(data)

    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.writable(False)

    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.writable(True)

    def eof_received(self) -> bool:
        """Keep the connection until what came before has been handled; TLS cannot."""
        if self._connection is not None:
            self._connection.finished()
        return self._transport is not None and self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._connection is not None:
            self._connection.lost()
        self._connection = self._transport = None

    # --- the wire

    def write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def unsent(self) -> int:
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def pause(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def finish(self) -> None:
        if self._transport is not None and not self._transport.is_closing() and self._transport.can_write_eof():
            self._transport.write_eof()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _common_name(transport: asyncio.BaseTransport) -> str | None:
    """Of the client's certificate, which TLS has verified where there is one."""
    certificate: Mapping[str, Any] = transport.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for name, value in part if name == "commonName"]
    return names[0] if len(names) == 1 else None


class EmbeddedBus(Bus):
    """The bus of `stresswire up` without an external broker; an `async with` starts and stops it.

    Args:
        host, port: where the MQTT listener opens; port 0 takes a free one, which `port` then tells.
        authenticate: says who a client is; None: there are no logins, and everybody may do everything.
        tls: with it the listener speaks TLS only.
        max_connections: one more is closed at once.
        patience: how long clients may take.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        authenticate: Authenticate | None = None,
        tls: ssl.SSLContext | None = None,
        max_connections: int = MAX_CONNECTIONS,
        patience: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
    ) -> None:
        self.host = host
        self.port = port
        self.counts = Counts()
        self._authenticate = authenticate
        self._tls = tls
        self._max_connections = max_connections
        self._patience = patience
        self._closed = False
        self._router = Router()
        self._house: ServerContext | None = None
        self._listener: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    @property
    def state(self) -> str:
        """`ok` while the listener is open."""
        return "ok" if self._listener is not None and self._listener.is_serving() else "closed"

    @property
    def secured(self) -> bool:
        """Whether the listener speaks TLS."""
        return self._tls is not None

    @property
    def dropped(self) -> int:
        """Messages that network subscribers were too slow for."""
        return self._router.dropped

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._connections)

    def subscribe(
        self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int, group: str | None = None
    ) -> Subscription:
        """Take part in `filters` inside this process, where a group has one member."""
        del group
        subscription = Subscription(filters, qos=qos, durable=durable, buffer=buffer)
        self._router.subscribe_here(subscription)
        return subscription

    async def open(self) -> None:
        """Open the listener. Raises `BusError` where the address is taken or not ours."""
        if not 0 <= self.port <= 0xFFFF:  # uvloop takes what is left of it modulo 65536
            raise BusError(f"cannot listen for MQTT on {self.host}:{self.port}: the port must be 0-65535")
        handshake_s = None if self._tls is None else self._patience.connect_s
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                lambda: _Transport(self),
                self.host,
                self.port,
                ssl=self._tls,
                backlog=BACKLOG,
                ssl_handshake_timeout=handshake_s,
                ssl_shutdown_timeout=handshake_s,
            )
        except (OSError, UnicodeError) as error:  # a name that cannot be looked up may be a UnicodeError
            raise BusError(f"cannot listen for MQTT on {self.host}:{self.port}: {why(error)}") from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send to the subscribers in the process and on the network."""
        if not self._closed:
            await self._router.publish(topic, payload, qos, retain=retain)

    async def deliver(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1; this broker has it at once."""
        if self._closed:
            raise BusError("the embedded broker is closed")
        await self._router.publish(topic, payload, 1, retain=False)

    def connect(self, wire: Transport, address: str, certificate: str | None = None) -> Connection:
        """A client on another transport, such as a WebSocket; its owner tells it what comes, and when it is `lost`."""
        full = len(self._connections) >= self._max_connections
        connection = Connection(self._running(), wire, address, certificate)
        if full or self._closed:
            self.counts.refused += 1
            connection.close(f"there are {self._max_connections} connections already", at_once=True)
        strangers = self._running().strangers
        if len(strangers) > MAX_STRANGERS:
            next(iter(strangers)).close("others wait to connect", at_once=True)
        return connection

    def revoke(self, login: str) -> None:
        """End every connection and session of a login."""
        house = self._running()
        for connection in list(self._connections):
            if connection.who is not None and connection.who.login == login:
                connection.close("its login was revoked or changed", at_once=True)
        for key, session in list(self._router.sessions.items()):
            if session.who is not None and session.who.login == login:
                house.engine.forget(key)

    async def __aenter__(self) -> Self:
        now_s = asyncio.get_running_loop().time
        engine = Engine(self._router)
        admission = ConnectPolicy(self._authenticate, now_s)
        self._house = ServerContext(
            self._router, engine, admission, self._connections, {}, {}, self.counts, LogLimiter(log, now_s), self._patience
        )
        await engine.start()
        return self

    async def drain(self) -> None:
        """Let nobody in; what has come for durable subscribers can be taken, and is answered. The rest stays unanswered."""
        if self._listener is not None:
            self._listener.close()
        for subscription in self._router.local:
            if subscription.durable:
                subscription.close()

    async def close(self) -> None:
        """End every subscription and connection; a second time it does nothing."""
        if self._closed:
            return
        self._closed = True
        for subscription in self._router.local:
            subscription.close()
        if self._listener is not None:
            self._listener.close()
        leaving = list(self._connections)
        for connection in leaving:
            connection.finish()
        ended = asyncio.gather(*(connection.ended.wait() for connection in leaving))
        try:
            async with asyncio.timeout(LINGER_S):
                await asyncio.shield(ended)
        except TimeoutError:
            for connection in leaving:
                connection.close(None, at_once=True)
            await ended
        await self._running().engine.shutdown()

    def _running(self) -> ServerContext:
        if self._house is None:
            raise BusError("the embedded broker has not been started")
        return self._house
