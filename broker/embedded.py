"""The embedded broker: amqtt in this process, with in-process subscribers beside those on the network.

amqtt is untyped and is imported here alone. It is pinned to 0.12.1 because `_Server` overrides one private method.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Self

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter  # type: ignore[import-untyped]
from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import BrokerConfig  # type: ignore[import-untyped]

from broker.bus import BusError, Message, Subscription

log = logging.getLogger(__name__)

OUTGOING_BUFFER = 10_000
"""Messages that may wait for network subscribers; beyond it the newest are dropped and counted."""
_LISTENER = "default"  # the one name that amqtt insists on
_CONFIG: dict[str, Any] = {
    # `external`: the sockets are ours, so a taken port is our error and a closed connection frees its descriptor.
    "listeners": {_LISTENER: {"type": "external", "bind": "ours"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}

Deliver = Callable[[str, bytes], Awaitable[None]]


class _Server(Broker):  # type: ignore[misc]
    """amqtt that hands every message of a client to `deliver` before it goes to the network subscribers."""

    def __init__(self, config: BrokerConfig, deliver: Deliver) -> None:
        super().__init__(config)
        self._deliver = deliver

    async def _broadcast_message(
        self, session: Any, topic: str | None, data: bytes | bytearray | None, force_qos: int | None = None
    ) -> None:
        # amqtt's own hooks run un-awaited; here a full buffer holds the sender back instead of filling the memory.
        if session is not None and topic is not None:
            await self._deliver(topic, bytes(data or b""))
        if self._subscriptions:
            await super()._broadcast_message(session, topic, data, force_qos)

    @property
    def waiting(self) -> int:
        """Messages that network subscribers have not been sent yet."""
        size: int = self._broadcast_queue.qsize()
        return size


class EmbeddedBus:
    """The bus of `stresswire up` without an external broker; an `async with` starts and stops amqtt.

    Args:
        host, port: where the MQTT listener opens; port 0 takes a free one, which `port` then tells.
    """

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.dropped = 0
        self._closed = False
        self._subscriptions: list[Subscription] = []
        self._server: _Server | None = None
        self._listener: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def state(self) -> str:
        """`ok` while the listener is open."""
        return "ok" if self._listener is not None and self._listener.is_serving() else "closed"

    def subscribe(self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int) -> Subscription:
        """Take part in `filters` inside this process."""
        subscription = Subscription(filters, qos=qos, durable=durable, buffer=buffer)
        self._subscriptions.append(subscription)
        return subscription

    async def open(self) -> None:
        """Open the listener. Raises `BusError` where the address is taken or not ours."""
        try:
            self._listener = await asyncio.start_server(self._connected, self.host, self.port)
        except (OSError, OverflowError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else error
            raise BusError(f"cannot listen for MQTT on {self.host}:{self.port}: {reason}") from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send to the subscribers in the process and on the network."""
        if self._closed:
            return
        await self._deliver(topic, payload, trusted=True)
        server = self._running()
        if retain:
            await server.retain_message(None, topic, payload, qos)
        if server.waiting >= OUTGOING_BUFFER:
            self.dropped += 1
            if self.dropped % OUTGOING_BUFFER == 1:
                log.warning("MQTT subscribers are too slow: %d messages dropped", self.dropped)
            return
        # amqtt sends with the forced QoS, else with the subscriber's; only for QoS 0 is the forced one the minimum.
        await server.internal_message_broadcast(topic, payload, 0 if qos == 0 else None)

    async def __aenter__(self) -> Self:
        self._server = _Server(BrokerConfig.from_dict(_CONFIG), self._deliver)
        await self._server.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every subscription and connection; a second time it does nothing."""
        if self._closed:
            return
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
        if self._listener is not None:
            self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await self._running().shutdown()

    def _running(self) -> _Server:
        if self._server is None:
            raise BusError("the embedded broker has not been started")
        return self._server

    async def _deliver(self, topic: str, payload: bytes, *, trusted: bool = False) -> None:
        for subscription in self._subscriptions:
            if subscription.matches(topic):
                message = Message(topic, payload, trusted=trusted)
                if subscription.durable:
                    await subscription.put(message)
                else:
                    subscription.offer(message)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer), name="mqtt connection")
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._running().external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), _LISTENER)
        except Exception:  # the listener must outlive whatever a client sends
            log.warning("an MQTT connection failed", exc_info=log.isEnabledFor(logging.DEBUG))
        finally:
            writer.close()
