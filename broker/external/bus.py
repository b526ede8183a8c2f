"""The bus over any MQTT 3.1.1 broker, through paho-mqtt with manual acknowledgement, on the event loop.

paho only encodes, decodes and keeps what is in flight: the loop says when its socket can be read or written, so a callback
never runs in another thread, and not to read is back-pressure. Only to connect (names, TCP, TLS) takes a thread.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import paho.mqtt.client as paho
from msgspec import Struct
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from broker.address import MqttAddress
from broker.bus import Bus, BusError, why
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
"""How long `open` waits at most for the first answers of the broker."""
KEEPALIVE_S: Final = 10
"""A connection that was cut without a word is given up after two of these at most."""
CLOSE_S: Final = 2.0
"""How long the broker may take to read our last acknowledgements."""
READ_AT_ONCE: Final = 64
"""Packets before others on the loop have their turn."""


class _Unacknowledged(Struct):
    """A message that the broker waits to hear of; `done` once it may."""

    mid: int
    qos: int
    done: bool = False


class _Connection:
    """What belongs to one connection and is worth nothing in the next: the broker numbers its messages anew.

    Acknowledgements go out in the order in which the messages came [MQTT-4.6.0-2], whatever order they are given in.
    """

    def __init__(self, client: paho.Client) -> None:
        self._client = client
        self._open: deque[_Unacknowledged] = deque()
        self.lost = asyncio.Event()

    def expect(self, received: paho.MQTTMessage) -> _Unacknowledged:
        """A message that somebody will acknowledge."""
        one = _Unacknowledged(received.mid, received.qos)
        self._open.append(one)
        return one

    def acknowledge(self, one: _Unacknowledged) -> None:
        """Tell the broker, as soon as it knows of all that came before."""
        one.done = True
        while self._open and self._open[0].done and not self.lost.is_set():
            first = self._open.popleft()
            self._client.ack(first.mid, first.qos)


class _Outgoing(NamedTuple):
    """A message at QoS 1 or 2 that waits for the broker; `taken` is told of its PUBACK."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    taken: asyncio.Future[None] | None


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
        self._notices = LogLimiter(log, time.monotonic)
        self._supervisor = supervisor or Supervisor()
        self.dropped = 0
        self._closed = False
        self._subscriptions: list[Subscription] = []
        self._loop = asyncio.get_running_loop()
        self._state = "not connected"
        self._connected = asyncio.Event()
        self._tried = asyncio.Event()
        self._connection: _Connection | None = None
        self._fd: int | None = None
        self._paused = False
        self._seen = 0
        self._waiting: deque[_Outgoing] = deque()
        self._untaken: dict[int, asyncio.Future[None]] = {}
        self._granted: dict[int, asyncio.Future[None]] = {}
        self._asked: dict[Subscription, Sequence[str]] = {}
        self._filters: dict[int, Sequence[str]] = {}
        self._task: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()
        self._client = self._make_client(client_id)

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
        client.on_socket_register_write = self._on_write_wanted
        client.on_socket_unregister_write = self._on_write_not_wanted
        client.on_socket_close = self._on_socket_close
        return client

    @property
    def state(self) -> str:
        """`ok` while connected and subscribed, else why not."""
        return self._state

    def subscribe(
        self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int, group: str | None = None
    ) -> Subscription:
        """Take part in `filters`, now and after every reconnect; a group is a shared subscription of the broker."""
        subscription = Subscription(filters, qos=qos, durable=durable, buffer=buffer)
        self._subscriptions.append(subscription)
        self._asked[subscription] = [one if group is None else f"$share/{group}/{one}" for one in filters]
        if self._connected.is_set():
            self._ask_for(subscription)
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
            self._send(_Outgoing(topic, payload, qos, retain, None))

    async def deliver(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1 and wait until the broker has it, over any number of connections.

        Raises `BusError` where too much waits already, or the bus is closed before.
        """
        if self._closed:
            raise BusError("the bus is closed")
        taken: asyncio.Future[None] = self._loop.create_future()
        if not self._send(_Outgoing(topic, payload, 1, retain=False, taken=taken)):
            raise BusError(f"{self.address} takes too little")
        await taken

    async def drain(self) -> None:
        """Take nothing more for durable subscribers; the connection stays, for their answers and acknowledgements."""
        for subscription in self._subscriptions:
            if subscription.durable:
                subscription.close()
        self._resume()

    async def close(self) -> None:
        """End every subscription and the connection; a second time it does nothing."""
        if self._closed:
            return
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
        self._resume()
        if self._connected.is_set() and self._connection is not None:
            await self._leave(self._connection)
        self._ending.set()
        if self._task is not None:
            await self._task
        for taken in [*self._untaken.values(), *(one.taken for one in self._waiting)]:
            if taken is not None and not taken.done():
                taken.set_exception(BusError("the bus is closed"))
        self._state = "not connected"

    async def _leave(self, connection: _Connection) -> None:
        """Disconnect, once the broker has read what we told it last: with unread messages on their way to us, the end of
        the connection could overtake it.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                durable = next((one for one in self._subscriptions if one.durable), None)
                if durable is not None:
                    granted = self._ask_for(durable)  # it is asked for already; the broker answers in order
                    if granted is not None:
                        await granted
                self._client.disconnect()
                await connection.lost.wait()

    # --- the connection

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
                sock: Any = self._client.socket()
                try:
                    await self._serve(sock, connection, backoff)
                finally:
                    self._unwatch()
                    sock.close()
                    if self._connected.is_set():
                        self._lose("connection given up")
            # A subscriber without room could not take what the broker would send again.
            await self._room()
            await self._unless_ending(backoff.next_s())

    async def _serve(self, sock: Any, connection: _Connection, backoff: Backoff) -> None:
        """Until the connection is lost. paho looks after pings and their answers when it is asked to."""
        self._fd = sock.fileno()
        while not connection.lost.is_set() and not self._ending.is_set():
            self._watch(self._fd)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await connection.lost.wait()
            if self._connected.is_set():
                backoff.reset()
            if not self._paused:
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
        self._paused = False

    def _readable(self) -> None:
        """Hand on what is there, within limits: what is left makes the socket readable again."""
        for _ in range(READ_AT_ONCE):
            seen = self._seen
            self._read()
            if self._fd is None or self._paused:
                return
            if self._seen == seen:
                break
        else:
            self._loop.call_soon(self._still_readable, self._connection)
            return
        sock: Any = self._client.socket()
        if isinstance(sock, ssl.SSLSocket) and sock.pending():
            self._loop.call_soon(self._still_readable, self._connection)

    def _read(self) -> None:
        """Read a packet; where that fails, which paho does not expect, the connection is given up and another one made."""
        try:
            self._client.loop_read()
        except Exception as error:  # noqa: BLE001 - `failed` logs it
            self.refused += 1
            self._notices.failed("%s: what it sends cannot be dealt with; connecting anew", self.address, error=error)
            self._unwatch()
            self._lose("sends what cannot be dealt with")

    def _still_readable(self, connection: _Connection | None) -> None:
        """Neither what TLS has decrypted nor what lies before an error makes the socket readable."""
        if connection is self._connection and self._fd is not None and not self._paused:
            self._readable()

    def _pause(self, full: Subscription) -> None:
        """Do not read until `full` has room."""
        if not self._paused and self._fd is not None:
            self._paused = True
            self._loop.remove_reader(self._fd)
            full.when_room(self._resume, "")

    def _resume(self) -> None:
        if self._paused and self._fd is not None:
            self._loop.add_reader(self._fd, self._readable)
            self._loop.call_soon(self._still_readable, self._connection)
        self._paused = False

    def _watch(self, fd: int) -> None:
        """Watch the socket afresh. After an error on it uvloop calls once and then never again, though there may be more to
        read before the error comes; and refuses what is asked of its dead watcher.
        """
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)
        if not self._paused:
            self._loop.add_reader(fd, self._readable)
        if self._client.want_write():
            self._loop.add_writer(fd, self._client.loop_write)

    def _unwatch(self) -> None:
        if self._fd is not None:
            self._loop.remove_reader(self._fd)
            self._loop.remove_writer(self._fd)
            self._fd = None

    def _away(self, reason: str) -> None:
        """Say once why there is no connection; the bus goes on trying."""
        self._tried.set()
        if self._state != reason:
            self._state = reason
            log.warning("%s: %s; trying again", self.address, reason)

    # --- what goes out

    def _send(self, one: _Outgoing) -> bool:
        """Hand to paho, or keep for the next connection; False where there is no room for it."""
        if not self._connected.is_set():
            if not one.qos:
                return True
            if len(self._waiting) >= OUTGOING_BUFFER:
                return self._drop()
            self._waiting.append(one)
            return True
        sent = self._client.publish(one.topic, one.payload, one.qos, one.retain)
        if sent.rc == paho.MQTT_ERR_QUEUE_SIZE:
            return self._drop()
        if one.taken is not None:
            self._untaken[sent.mid] = one.taken
        return True

    def _drop(self) -> bool:
        self.dropped += 1
        if self.dropped % OUTGOING_BUFFER == 1:
            log.warning("%s takes too little: %d messages dropped", self.address, self.dropped)
        return False

    def _ask_for(self, subscription: Subscription) -> asyncio.Future[None] | None:
        """Subscribe; the future is done with the broker's answer, None where the connection is gone."""
        asked = self._asked[subscription]
        _, mid = self._client.subscribe([(topic_filter, subscription.qos) for topic_filter in asked])
        if mid is None:
            return None
        self._filters[mid] = asked
        granted = self._granted[mid] = self._loop.create_future()
        return granted

    # --- paho calls; all but `_on_write_wanted` on the loop

    def _on_connect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._away(f"refuses the connection: {str(reason).lower()}")
            return
        self._state = "ok"
        self._connected.set()
        for subscription in self._subscriptions:
            self._ask_for(subscription)
        if not self._granted:
            self._tried.set()
        waiting, self._waiting = self._waiting, deque()
        for one in waiting:
            if not self._send(one) and one.taken is not None:
                one.taken.set_exception(BusError(f"{self.address} takes too little"))
        log.info("connected to %s", self.address)

    def _on_subscribe(
        self, _client: paho.Client, _data: Any, mid: int, reasons: list[ReasonCode], _properties: Any
    ) -> None:
        filters = self._filters.pop(mid, ())
        refused = [topic_filter for topic_filter, reason in zip(filters, reasons, strict=False) if reason.is_failure]
        if refused:
            self._state = f"refuses the subscription to {', '.join(refused)}"
            log.error("%s: %s; has this login the right to read it?", self.address, self._state)
        granted = self._granted.pop(mid, None)
        if granted is not None and not granted.done():
            granted.set_result(None)
        if not self._granted:
            self._tried.set()

    def _on_publish(self, _client: paho.Client, _data: Any, mid: int, _reason: Any, _properties: Any) -> None:
        taken = self._untaken.pop(mid, None)
        if taken is not None and not taken.done():
            taken.set_result(None)

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._lose(f"connection {'lost' if self._connected.is_set() else 'failed'}: {str(reason).lower()}")

    def _lose(self, reason: str) -> None:
        """Nothing of the connection is left."""
        was_connected = self._connected.is_set()
        self._connected.clear()
        self._filters.clear()
        for granted in self._granted.values():
            if not granted.done():  # whoever waited may have given up
                granted.set_result(None)
        self._granted.clear()
        if self._connection is not None:
            self._connection.lost.set()
        if not self._closed and (was_connected or self._state in ("ok", "not connected")):
            self._away(reason)

    def _on_message(self, _client: paho.Client, _data: Any, received: paho.MQTTMessage) -> None:
        self._seen += 1
        connection = self._connection
        try:
            topic = received.topic
        except UnicodeDecodeError:
            self._refuse(received)
            return
        payload = bytes(received.payload)
        takers = [known for known in self._subscriptions if known.matches(topic)]
        ack = None
        if received.qos and connection is not None:
            one = connection.expect(received)

            async def ack() -> None:
                # After a reconnect the broker sends the message again under another identifier.
                connection.acknowledge(one)

            if not any(subscription.durable for subscription in takers):
                connection.acknowledge(one)
        for subscription in takers:
            # An external broker does not tell who published, so keys stamped by a gateway must be believed.
            message = Message(topic, payload, trusted=True, ack=ack if subscription.durable else None)
            subscription.offer(message)
            if subscription.durable and subscription.full:
                self._pause(subscription)

    def _refuse(self, received: paho.MQTTMessage) -> None:
        """A topic that is not UTF-8 is nobody's. The broker must forget the message, or it would come for ever."""
        self.refused += 1
        self._notices.warn("%s: refused a message on a topic that is not UTF-8", self.address)
        if received.qos and self._connection is not None:
            self._connection.acknowledge(self._connection.expect(received))

    def _on_write_wanted(self, _client: paho.Client, _data: Any, sock: Any) -> None:
        # While it connects, in a thread, nobody watches the socket yet: `_serve` looks what is to be written.
        if self._fd is not None and sock.fileno() == self._fd:
            try:
                self._loop.add_writer(self._fd, self._client.loop_write)
            except RuntimeError:
                self._watch(self._fd)

    def _on_write_not_wanted(self, _client: paho.Client, _data: Any, _sock: Any) -> None:
        if self._fd is not None:
            self._loop.remove_writer(self._fd)

    def _on_socket_close(self, _client: paho.Client, _data: Any, _sock: Any) -> None:
        self._unwatch()
