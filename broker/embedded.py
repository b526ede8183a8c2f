"""The embedded broker: amqtt in this process, with in-process subscribers beside those on the network.

amqtt is untyped and is imported here alone. It is pinned to 0.12.1 because `_Server` overrides private methods.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Self

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter  # type: ignore[import-untyped]
from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import BrokerConfig  # type: ignore[import-untyped]
from amqtt.mqtt.disconnect import DisconnectPacket  # type: ignore[import-untyped]

from broker.bus import Bus, BusError, Message, Subscription, why

log = logging.getLogger(__name__)

OUTGOING_BUFFER = 10_000
"""Messages that may wait for network subscribers; beyond it the newest are dropped and counted."""
_LISTENER = "default"  # the one name that amqtt insists on
_CONFIG: dict[str, Any] = {
    # `external`: the sockets are ours, so a taken port is our error and a closed connection frees its descriptor.
    "listeners": {_LISTENER: {"type": "external", "bind": "ours"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}

UNANSWERED = 500
"""Publishes of one connection that may be under way; beyond it the connection is not read, which holds its sender back."""

Deliver = Callable[[str, bytes, int], Awaitable[None]]


class _Reader(StreamReaderAdapter):  # type: ignore[misc]
    """A connection that is not read while too many of its publishes are under way."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self._under_way = 0
        self._room = asyncio.Event()
        self._room.set()

    async def read(self, n: int = -1) -> bytes:
        await self._room.wait()
        data: bytes = await super().read(n)
        return data

    def __enter__(self) -> None:
        self._under_way += 1
        if self._under_way >= UNANSWERED:
            self._room.clear()

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1
        self._room.set()


class _Server(Broker):  # type: ignore[misc]
    """amqtt that hands every message of a client to `deliver` before it acknowledges it.

    Its own plugins cannot: it runs their hooks un-awaited, and sends PUBACK before any of them.
    """

    def __init__(self, config: BrokerConfig, deliver: Deliver) -> None:
        super().__init__(config)
        self._deliver = deliver

    async def _initialize_client_session(
        self, reader: _Reader, writer: StreamWriterAdapter, remote_address: str, remote_port: int
    ) -> tuple[Any, Any]:
        # The only place that amqtt makes a handler at; it names the class itself, so its method is wrapped here.
        handler, session = await super()._initialize_client_session(reader, writer, remote_address, remote_port)
        handler.handle_publish = partial(self._take, handler.handle_publish, reader)
        return handler, session

    async def _take(self, acknowledge: Callable[[Any], Awaitable[None]], reader: _Reader, packet: Any) -> None:
        """A client's PUBLISH: committed first, then acknowledged and sent on by amqtt."""
        with reader:
            topic = packet.topic_name
            if topic and "+" not in topic and "#" not in topic and not topic.startswith("$"):
                await self._deliver(topic, bytes(packet.data or b""), packet.qos)
            await acknowledge(packet)

    async def _handle_disconnect(self, client_session: Any, handler: Any, disconnect_waiter: asyncio.Future[Any]) -> None:
        # The will does not come as a PUBLISH.
        if client_session.will_flag and not isinstance(disconnect_waiter.result(), DisconnectPacket):
            await self._deliver(client_session.will_topic, bytes(client_session.will_message or b""), 0)
        await super()._handle_disconnect(client_session, handler, disconnect_waiter)

    async def _broadcast_message(
        self, session: Any, topic: str | None, data: bytes | bytearray | None, force_qos: int | None = None
    ) -> None:
        if self._subscriptions:
            await super()._broadcast_message(session, topic, data, force_qos)

    @property
    def waiting(self) -> int:
        """Messages that network subscribers have not been sent yet."""
        size: int = self._broadcast_queue.qsize()
        return size


class EmbeddedBus(Bus):
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
            raise BusError(f"cannot listen for MQTT on {self.host}:{self.port}: {why(error)}") from error
        self.port = self._listener.sockets[0].getsockname()[1]

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send to the subscribers in the process and on the network."""
        if self._closed:
            return
        await self._deliver(topic, payload, qos, trusted=True)
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

    async def _deliver(self, topic: str, payload: bytes, qos: int, *, trusted: bool = False) -> None:
        """Hand a message to the subscribers here; a client's at QoS 1 or 2 waits for the durable ones to acknowledge it."""
        committed: list[asyncio.Event] = []
        for subscription in self._subscriptions:
            if not subscription.matches(topic):
                continue
            if not subscription.durable:
                subscription.offer(Message(topic, payload, trusted=trusted))
            elif qos == 0 or trusted:
                await subscription.put(Message(topic, payload, trusted=trusted))
            else:
                committed.append(asyncio.Event())
                await subscription.put(Message(topic, payload, trusted=trusted, ack=partial(_set, committed[-1])))
        for event in committed:
            await event.wait()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer), name="mqtt connection")
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._running().external_connected(_Reader(reader), StreamWriterAdapter(writer), _LISTENER)
        except Exception:  # the listener must outlive whatever a client sends
            log.warning("an MQTT connection failed", exc_info=log.isEnabledFor(logging.DEBUG))
        finally:
            writer.close()


async def _set(event: asyncio.Event) -> None:
    event.set()
