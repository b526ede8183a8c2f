"""Context shared by all connections: router, rules, counters, timeouts, and the list of the connections themselves."""

import asyncio
from collections.abc import Collection
from typing import Protocol

from msgspec import Struct

from broker.auth.connect_policy import ConnectPolicy
from broker.auth.identity import Identity
from broker.embedded.amqtt_adapter import AmqttBroker
from broker.embedded.router import Router
from broker.pacing.log_limiter import LogLimiter


class Timeouts(Struct, frozen=True):
    """Seconds that a client may take.

    Attributes:
        connect_s: for its CONNECT, and for the TLS handshake before it.
        stall_s: without taking any of what waits for it.
        close_s: for the last bytes on a connection that is closed.
    """

    connect_s: float = 10.0
    stall_s: float = 30.0
    close_s: float = 5.0


class Counters(Struct):
    """Clients that were not served to the end, and wills that nobody got, since the start."""

    refused: int = 0
    malformed: int = 0
    timed_out: int = 0
    stalled: int = 0
    forbidden: int = 0
    lost_wills: int = 0


class Registered(Protocol):
    """A connection, as the others and the bus see it."""

    @property
    def key(self) -> str | None:
        """Name of its session; None before its CONNECT."""
        ...

    @property
    def identity(self) -> Identity | None:
        """Login of the client; None before its CONNECT, or if there are no logins."""
        ...

    @property
    def ended(self) -> asyncio.Event:
        """Set once nothing of the connection runs any more."""
        ...

    def finish(self) -> None:
        """Take nothing more, and let the client read to the end."""
        ...

    def close(self, reason: str | None, *, at_once: bool = False) -> None:
        """End the connection."""
        ...


class ConnectionRegistry:
    """All connections, those whose CONNECT has not come yet, and the newest of each session."""

    def __init__(self) -> None:
        self._connections: set[Registered] = set()
        self._pending_connect: dict[Registered, None] = {}
        self._by_session: dict[str, Registered] = {}

    @property
    def connections(self) -> Collection[Registered]:
        """All connections."""
        return self._connections

    @property
    def pending_connect(self) -> Collection[Registered]:
        """Connections without a CONNECT, the oldest first."""
        return self._pending_connect.keys()

    @property
    def sessions(self) -> Collection[str]:
        """Names of the sessions that have a connection."""
        return self._by_session.keys()

    def add(self, connection: Registered) -> None:
        """Add a connection, without a CONNECT yet."""
        self._connections.add(connection)
        self._pending_connect[connection] = None

    def take_session(self, key: str, connection: Registered) -> Registered | None:
        """Give the session `key` to a connection whose CONNECT has come; return the connection that had it, if any."""
        self._pending_connect.pop(connection, None)
        before = self._by_session.get(key)
        self._by_session[key] = connection
        return before

    def leave_session(self, key: str, connection: Registered) -> bool:
        """Take the session away from an ended connection; return False if it is another's already."""
        if self._by_session.get(key) is not connection:
            return False
        del self._by_session[key]
        return True

    def closed(self, connection: Registered) -> None:
        """Await no CONNECT of a connection any more."""
        self._pending_connect.pop(connection, None)

    def remove(self, connection: Registered) -> None:
        """Forget a connection that has no transport any more."""
        self._connections.discard(connection)


class ServerContext(Struct, frozen=True):
    """Parts that all connections share."""

    router: Router
    amqtt: AmqttBroker
    connect_policy: ConnectPolicy
    registry: ConnectionRegistry
    counters: Counters
    warnings: LogLimiter
    timeouts: Timeouts
