"""The embedded broker: amqtt in this process, hardened, with in-process subscribers beside those on the network."""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import Final, Self

from broker.auth.connect_policy import ConnectPolicy
from broker.auth.identity import Authenticate
from broker.bus import Bus, BusError, why
from broker.embedded.amqtt_adapter import AmqttBroker
from broker.embedded.connection import Connection
from broker.embedded.context import ConnectionRegistry, Counters, ServerContext, Timeouts
from broker.embedded.router import Router
from broker.embedded.tcp import TcpTransport
from broker.embedded.transport import Transport
from broker.pacing.log_limiter import LogLimiter
from broker.subscription import Subscription

log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 20_000
MAX_PENDING_CONNECT: Final = 1_000
"""Connections without a CONNECT; one more displaces the oldest, so that those that only wait lock nobody out."""
BACKLOG: Final = 1_024
LINGER_S: Final = 0.5
"""Seconds that clients may take, at the end, to read their last acknowledgements and close."""


class EmbeddedBus(Bus):
    """The bus of `stresswire up` without an external broker; an `async with` starts and stops it.

    Args:
        host, port: where the MQTT listener opens; port 0 takes a free one, which `port` then tells.
        authenticate: returns the login of a client; None: there are no logins, and every client may do everything.
        tls: with it the listener speaks TLS only.
        max_connections: one more is closed at once.
        timeouts: how long clients may take.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        authenticate: Authenticate | None = None,
        tls: ssl.SSLContext | None = None,
        max_connections: int = MAX_CONNECTIONS,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
    ) -> None:
        self.host = host
        self.port = port
        self.counters = Counters()
        self._authenticate = authenticate
        self._tls = tls
        self._max_connections = max_connections
        self._timeouts = timeouts
        self._closed = False
        self._router = Router()
        self._registry = ConnectionRegistry()
        self._context: ServerContext | None = None
        self._listener: asyncio.Server | None = None

    @property
    def state(self) -> str:
        """`ok` while the listener is open."""
        return "ok" if self._listener is not None and self._listener.is_serving() else "closed"

    @property
    def secured(self) -> bool:
        """True if the listener speaks TLS."""
        return self._tls is not None

    @property
    def dropped(self) -> int:
        """Messages that network subscribers were too slow for."""
        return self._router.dropped

    @property
    def connections(self) -> int:
        """Open connections."""
        return len(self._registry.connections)

    def subscribe(
        self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int, group: str | None = None
    ) -> Subscription:
        """Take part in `filters` inside this process, where a group has one member."""
        del group
        subscription = Subscription(filters, qos=qos, durable=durable, buffer=buffer)
        self._router.subscribe_here(subscription)
        return subscription

    def subscribe_misaddressed(self, buffer: int) -> Subscription:
        """Take what clients publish on topics that are nearly the contract's, and what nobody reads."""
        subscription = Subscription((), qos=0, durable=False, buffer=buffer)
        self._router.take_misaddressed(subscription)
        return subscription

    async def open(self) -> None:
        """Open the listener. Raises `BusError` if the address is taken or not ours."""
        if not 0 <= self.port <= 0xFFFF:  # uvloop takes what is left of it modulo 65536
            raise BusError(f"cannot listen for MQTT on {self.host}:{self.port}: the port must be 0-65535")
        handshake_s = None if self._tls is None else self._timeouts.connect_s
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                lambda: TcpTransport(self.connect),
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

    def connect(self, transport: Transport, address: str, certificate: str | None = None) -> Connection:
        """Return the connection of a client on any transport, which calls its `received`, `writable` and `lost`."""
        full = len(self._registry.connections) >= self._max_connections
        connection = Connection(self._running(), transport, address, certificate)
        if full or self._closed:
            self.counters.refused += 1
            connection.close(f"there are {self._max_connections} connections already", at_once=True)
        if len(self._registry.pending_connect) > MAX_PENDING_CONNECT:
            next(iter(self._registry.pending_connect)).close("others wait to connect", at_once=True)
        return connection

    def revoke(self, login: str) -> None:
        """End every connection and session of a login."""
        amqtt = self._running().amqtt
        for connection in list(self._registry.connections):
            if connection.identity is not None and connection.identity.login == login:
                connection.close("its login was revoked or changed", at_once=True)
        for key, session in list(self._router.sessions.items()):
            if session.identity is not None and session.identity.login == login:
                amqtt.forget(key)

    async def __aenter__(self) -> Self:
        now_s = asyncio.get_running_loop().time
        amqtt = AmqttBroker(self._router)
        self._context = ServerContext(
            self._router,
            amqtt,
            ConnectPolicy(self._authenticate, now_s),
            self._registry,
            self.counters,
            LogLimiter(log, now_s),
            self._timeouts,
        )
        await amqtt.start()
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
        leaving = list(self._registry.connections)
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
        await self._running().amqtt.shutdown()

    def _running(self) -> ServerContext:
        if self._context is None:
            raise BusError("the embedded broker has not been started")
        return self._context
