"""The bus over any MQTT 3.1.1 broker, through paho-mqtt with manual acknowledgement, on the event loop.

paho only encodes, decodes and keeps what is in flight: the loop says when its socket can be read or written, so a callback
never runs in another thread, and not to read is back-pressure. Only to connect (names, TCP, TLS) takes a thread.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Sequence
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from broker.address import MqttAddress
from broker.bus import Bus, BusError, why
from broker.contract.near_topics import NEAR_FILTERS
from broker.external.outgoing import Outgoing, OutgoingMessage
from broker.external.paho_socket import PahoSocket
from broker.external.pending_acks import PendingAcks, PendingSubacks
from broker.message import Message
from broker.pacing.backoff import Backoff
from broker.pacing.log_limiter import LogLimiter
from broker.pacing.supervisor import Supervisor
from broker.subscription import Subscription

log = logging.getLogger(__name__)

OUTGOING_BUFFER: Final = 10_000
"""Messages at QoS 1 that wait while the broker is away or slow; beyond it the newest are dropped and counted."""
OUTGOING_WINDOW: Final = 1_000
"""QoS 1 messages on their way at once; paho's own 20 would wait for the broker's disk."""
RECONNECT_FIRST_S: Final = 1.0
RECONNECT_MOST_S: Final = 30.0
CONNECT_TIMEOUT_S: Final = 5.0
OPEN_S: Final = 10.0
"""Seconds that `open` waits for the first answers of the broker."""
KEEPALIVE_S: Final = 10
"""A connection that was cut without a word is given up after two of these at most."""
CLOSE_S: Final = 2.0
"""Seconds that the broker may take to read our last acknowledgements."""


class _Connection:
    """State of one connection, which is worth nothing in the next."""

    def __init__(self, client: paho.Client) -> None:
        self.acks = PendingAcks(client.ack)
        self.subacks = PendingSubacks()
        self.asked_misaddressed: asyncio.Future[None] | None = None
        self.lost = asyncio.Event()

    def lose(self) -> None:
        """Await nothing of the broker any more."""
        self.acks.close()
        self.subacks.close()
        self.lost.set()


class MqttBus(Bus):
    """A bus on an external broker; an `async with` ends the connection.

    Args:
        address: the broker.
        client_id: with a name the session is persistent, so that a durable subscriber loses nothing while it is away;
            None is a clean session with a random name.
        supervisor: keeps the bus connected, whatever fails.
    """

    def __init__(self, address: MqttAddress, client_id: str | None = None, supervisor: Supervisor | None = None) -> None:
        self.address = address
        self.refused = 0
        self._warnings = LogLimiter(log, time.monotonic)
        self._supervisor = supervisor or Supervisor()
        self._closed = False
        self._subscriptions: dict[Subscription, Sequence[str]] = {}
        self._misaddressed: Subscription | None = None
        self._misaddressed_refused = False
        self._state = "not connected"
        self._connected = asyncio.Event()
        self._tried = asyncio.Event()
        self._connection: _Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._client = self._make_client(client_id)
        self._socket = PahoSocket(self._client, self._unreadable)
        self._client.on_socket_register_write = self._socket.want_write
        self._client.on_socket_unregister_write = self._socket.want_no_write
        self._client.on_socket_close = self._socket.closes
        self._outgoing = Outgoing(OUTGOING_BUFFER, self._publish)

    def _make_client(self, client_id: str | None) -> paho.Client:
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or "",
            clean_session=client_id is None,
            protocol=paho.MQTTv311,
            manual_ack=True,
            reconnect_on_failure=False,  # it would go back to MQTT 3.1 by itself
        )
        client.max_queued_messages_set(OUTGOING_BUFFER)
        client.max_inflight_messages_set(OUTGOING_WINDOW)
        client.connect_timeout = CONNECT_TIMEOUT_S
        if self.address.username is not None:
            client.username_pw_set(self.address.username, self.address.password)
        if self.address.tls:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        return client

    @property
    def state(self) -> str:
        """`ok` while connected and subscribed, else why not."""
        return self._state

    @property
    def dropped(self) -> int:
        """Messages that the broker had no room for."""
        return self._outgoing.dropped

    def subscribe(
        self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int, group: str | None = None
    ) -> Subscription:
        """Take part in `filters`, now and after every reconnect; a group is a shared subscription of the broker."""
        subscription = Subscription(filters, qos=qos, durable=durable, buffer=buffer)
        prefix = "" if group is None else f"$share/{group}/"
        self._subscriptions[subscription] = [prefix + topic_filter for topic_filter in filters]
        if self._connected.is_set():
            self._ask_for(subscription)
        return subscription

    def subscribe_misaddressed(self, buffer: int) -> Subscription:
        """Take what comes on topics that are nearly the contract's, as far as the broker lets this login read them.

        They are asked for once everything else is granted: a broker may end the connection of a login that has not the
        right, as RabbitMQ does. It is not asked again then.
        """
        subscription = Subscription(NEAR_FILTERS, qos=0, durable=False, buffer=buffer)
        self._misaddressed = subscription
        self._subscriptions[subscription] = NEAR_FILTERS
        return subscription

    async def open(self) -> None:
        """Connect and subscribe, or find out why that does not work now: the bus then goes on trying until it is closed."""
        name = f"MQTT {self.address}"
        self._task = asyncio.create_task(self._supervisor.keep(name, self._stay_connected), name=name)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OPEN_S):
                await self._tried.wait()

    async def connected(self) -> None:
        """Wait for a connection."""
        await self._connected.wait()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send. While the broker is away QoS 0 is lost, and what is at QoS 1 waits, up to `OUTGOING_BUFFER` messages."""
        if not self._closed:
            self._send(OutgoingMessage(topic, payload, qos, retain))

    async def deliver(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1 and wait until the broker has it, over any number of connections.

        Raises `BusError` if too much waits already, or the bus is closed before.
        """
        if self._closed:
            raise BusError("the bus is closed")
        delivered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._send(OutgoingMessage(topic, payload, 1, retain=False, delivered=delivered)):
            raise BusError(f"{self.address} takes too little")
        await delivered

    async def drain(self) -> None:
        """Take nothing more for durable subscribers; the connection stays, for their answers and acknowledgements."""
        for subscription in self._subscriptions:
            if subscription.durable:
                subscription.close()
        self._socket.resume()

    async def close(self) -> None:
        """End every subscription and the connection; a second time it does nothing."""
        if self._closed:
            return
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
        self._socket.resume()
        if self._connected.is_set() and self._connection is not None:
            await self._leave(self._connection)
        self._ending.set()
        if self._task is not None:
            await self._task
        self._outgoing.close(BusError("the bus is closed"))
        self._state = "not connected"

    async def _leave(self, connection: _Connection) -> None:
        """Disconnect, once the broker has read what we told it last: with unread messages on their way to us, the end of
        the connection could overtake it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                durable = next((subscription for subscription in self._subscriptions if subscription.durable), None)
                answered = None if durable is None else self._ask_for(durable)
                if answered is not None:
                    await answered  # it was subscribed to before; the broker answers in order
                self._client.disconnect()
                await connection.lost.wait()

    async def _stay_connected(self) -> None:
        """Connect, serve the connection until it is lost, and again."""
        backoff = Backoff(RECONNECT_FIRST_S, RECONNECT_MOST_S)
        self._client.connect_async(self.address.host, self.address.port, KEEPALIVE_S)
        while not self._closed:
            connection = self._connection = _Connection(self._client)
            try:
                await asyncio.to_thread(self._client.reconnect)
            except (OSError, ValueError) as error:
                self._away(f"nobody answers: {why(error)}")
            else:
                sock = self._socket.open()
                try:
                    await self._serve(connection, backoff)
                finally:
                    self._socket.unwatch()
                    sock.close()
                    if self._connected.is_set():
                        self._lose("connection given up")
            # A subscriber without room could not take what the broker would send again.
            await self._room()
            await self._unless_ending(backoff.next_s())

    async def _serve(self, connection: _Connection, backoff: Backoff) -> None:
        """Serve until the connection is lost. paho looks after pings and their answers when it is asked to."""
        while not connection.lost.is_set() and not self._ending.is_set():
            self._socket.watch()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await connection.lost.wait()
            if self._connected.is_set():
                backoff.reset()
            if not self._socket.paused:
                # Unread, the broker's answer to a ping would be missed.
                self._client.loop_misc()

    async def _unless_ending(self, wait_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._ending.wait()

    async def _room(self) -> None:
        """Wait until every durable subscriber can take another message."""
        for subscription in self._subscriptions:
            if subscription.durable and subscription.full:
                room = asyncio.Event()
                subscription.when_room(room.set, "")
                await room.wait()
        self._socket.paused = False

    def _unreadable(self, error: Exception) -> None:
        """Give the connection up, and make another one."""
        self.refused += 1
        self._warnings.failed("%s: what it sends cannot be dealt with; connecting anew", self.address, error=error)
        self._lose("sends what cannot be dealt with")

    def _away(self, reason: str) -> None:
        """Say once why there is no connection; the bus goes on trying."""
        self._tried.set()
        if self._state != reason:
            self._state = reason
            log.warning("%s: %s; trying again", self.address, reason)

    def _send(self, message: OutgoingMessage) -> bool:
        """Send, or keep for the next connection; return False if there is no room for it."""
        if self._outgoing.send(message) if self._connected.is_set() else self._outgoing.keep(message):
            return True
        if self.dropped % OUTGOING_BUFFER == 1:
            log.warning("%s takes too little: %d messages dropped", self.address, self.dropped)
        return False

    def _publish(self, message: OutgoingMessage) -> int | None:
        sent = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        return None if sent.rc == paho.MQTT_ERR_QUEUE_SIZE else sent.mid

    def _ask_for(self, subscription: Subscription) -> asyncio.Future[None] | None:
        """Subscribe; the future is done with the broker's answer; None if the connection is gone."""
        filters = self._subscriptions[subscription]
        _, mid = self._client.subscribe([(topic_filter, subscription.qos) for topic_filter in filters])
        if mid is None or self._connection is None:
            return None
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection.subacks.expect(mid, filters, answered)
        return answered

    def _on_connect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._away(f"refuses the connection: {str(reason).lower()}")
            return
        self._state = "ok"
        self._connected.set()
        for subscription in self._subscriptions:
            if subscription is not self._misaddressed:
                self._ask_for(subscription)
        self._answered()
        for message in self._outgoing.take_waiting():
            if not self._send(message) and message.delivered is not None:
                message.delivered.set_exception(BusError(f"{self.address} takes too little"))
        log.info("connected to %s", self.address)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        if self._connection is None:
            return
        refused = self._connection.subacks.answered(mid, [reason.is_failure for reason in reasons])
        if any(topic_filter in NEAR_FILTERS for topic_filter in refused):
            log.info(
                "%s does not show this login topics that are nearly right: what is sent there is not noticed", self.address
            )
        elif refused:
            self._state = f"refuses the subscription to {', '.join(refused)}"
            log.error("%s: %s; has this login the right to read it?", self.address, self._state)
        self._answered()

    def _answered(self) -> None:
        """Once every subscription is answered, ask for the one that may end the connection; then `open` may return."""
        connection = self._connection
        if connection is None or connection.subacks:
            return
        if self._misaddressed is not None and not self._misaddressed_refused and connection.asked_misaddressed is None:
            connection.asked_misaddressed = self._ask_for(self._misaddressed)
        if not connection.subacks:
            self._tried.set()

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        self._outgoing.acknowledged(mid)

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._lose(f"connection {'lost' if self._connected.is_set() else 'failed'}: {str(reason).lower()}")

    def _lose(self, reason: str) -> None:
        """Nothing of the connection is left."""
        was_connected = self._connected.is_set()
        self._connected.clear()
        if self._connection is not None:
            asked = self._connection.asked_misaddressed
            if was_connected and not self._closed and asked is not None and not asked.done():
                self._misaddressed_refused = True
                log.warning(
                    "%s ended the connection when asked for topics that are nearly right, and is not asked again: what is "
                    "sent there is not noticed. Give this login the rights of docs/brokers.md, and start again",
                    self.address,
                )
            self._connection.lose()
        if not self._closed and (was_connected or self._state in ("ok", "not connected")):
            self._away(reason)

    def _on_message(self, _client: paho.Client, _data: Any, received: paho.MQTTMessage) -> None:
        self._socket.message_read()
        connection = self._connection
        try:
            topic = received.topic
        except UnicodeDecodeError:
            self._refuse(received)
            return
        payload = bytes(received.payload)
        takers = [subscription for subscription in self._subscriptions if subscription.matches(topic)]
        ack = None
        if received.qos and connection is not None:
            pending = connection.acks.expect(received.mid, received.qos)

            async def ack() -> None:
                # After a reconnect the broker sends the message again under another identifier.
                connection.acks.acknowledge(pending)

            if not any(subscription.durable for subscription in takers):
                connection.acks.acknowledge(pending)
        for subscription in takers:
            # An external broker does not tell who published, so keys stamped by a gateway must be believed.
            message = Message(topic, payload, trusted=True, ack=ack if subscription.durable else None)
            subscription.offer(message)
            if subscription.durable and subscription.full and self._socket.pause():
                subscription.when_room(self._socket.resume, "")

    def _refuse(self, received: paho.MQTTMessage) -> None:
        """A topic that is not UTF-8 is nobody's. The broker must forget the message, or it would come for ever."""
        self.refused += 1
        self._warnings.warn("%s: refused a message on a topic that is not UTF-8", self.address)
        if received.qos and self._connection is not None:
            self._connection.acks.acknowledge(self._connection.acks.expect(received.mid, received.qos))
