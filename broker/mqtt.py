"""The bus over any MQTT 3.1.1 broker, through paho-mqtt with manual acknowledgement.

paho's network thread never blocks: it hands each message to the event loop, and the broker's in-flight window, which is
smaller than every buffer, holds back what is not acknowledged yet.
"""

import asyncio
import logging
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from msgspec import Struct
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

from broker.bus import Bus, BusError, Message, Subscription

log = logging.getLogger(__name__)

OUTGOING_BUFFER = 10_000
"""Messages that wait in paho while the broker is away; beyond it the newest are dropped and counted."""
OUTGOING_WINDOW = 1_000
"""QoS 1 messages on their way at once; paho's own 20 would wait for the broker's disk."""
RECONNECT_MIN_S = 1
RECONNECT_MAX_S = 30
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class MqttAddress(Struct, frozen=True):
    """Where the broker is and who we are there."""

    host: str
    port: int
    tls: bool
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"{'mqtts' if self.tls else 'mqtt'}://{self.host}:{self.port}"  # never the password

    __str__ = __repr__


def parse_url(url: str) -> MqttAddress:
    """Read ``mqtt://`` or ``mqtts://user:password@host:port``. Raises `ValueError` that says what is wrong."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("must begin with mqtt:// or mqtts://")
    if not parts.hostname:
        raise ValueError("must name a host, as in mqtt://host:1883")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must end after host and port; a password with / ? or # in it must be percent-encoded")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("must have a number from 1 to 65535 as port") from None
    if port == 0:
        raise ValueError("must have a number from 1 to 65535 as port")
    return MqttAddress(
        host=parts.hostname,
        port=_PORTS[parts.scheme] if port is None else port,
        tls=parts.scheme == "mqtts",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
    )


class MqttBus(Bus):
    """A bus on an external broker; an `async with` ends the connection.

    Args:
        address: the broker.
        client_id: with a name the session is persistent, so that a durable subscriber loses nothing while it is away;
            None is a clean session with a random name.
    """

    def __init__(self, address: MqttAddress, client_id: str | None = None) -> None:
        self.address = address
        self.dropped = 0
        self._closed = False
        self._subscriptions: list[Subscription] = []
        self._loop = asyncio.get_running_loop()
        self._connection = 0
        self._state = "not connected"
        self._ever_connected = asyncio.Event()
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id or "",
            clean_session=client_id is None,
            protocol=paho.MQTTv311,
            manual_ack=True,
        )
        client.max_queued_messages_set(OUTGOING_BUFFER)
        client.max_inflight_messages_set(OUTGOING_WINDOW)
        client.reconnect_delay_set(RECONNECT_MIN_S, RECONNECT_MAX_S)
        if address.username is not None:
            client.username_pw_set(address.username, address.password)
        if address.tls:
            client.tls_set_context(ssl.create_default_context())
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._client = client

    @property
    def state(self) -> str:
        """`ok` while connected, else why not."""
        return self._state

    def subscribe(self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int) -> Subscription:
        """Take part in `filters`, now and after every reconnect."""
        subscription = Subscription(filters, qos=qos, durable=durable, buffer=buffer)
        self._subscriptions.append(subscription)
        if self._client.is_connected():
            self._client.subscribe([(topic_filter, qos) for topic_filter in filters])
        return subscription

    async def open(self) -> None:
        """Start to connect; paho goes on trying until the bus is closed."""
        try:
            self._client.connect_async(self.address.host, self.address.port)
            self._client.loop_start()
        except (OSError, ValueError) as error:
            raise BusError(f"cannot connect to {self.address}: {error}") from error

    async def connected(self) -> None:
        """Wait for the first connection."""
        await self._ever_connected.wait()

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send; while the broker is away what is at QoS 1 waits, up to `OUTGOING_BUFFER` messages."""
        if self._closed:
            return
        sent = self._client.publish(topic, payload, qos, retain)
        if sent.rc == paho.MQTT_ERR_QUEUE_SIZE:
            self.dropped += 1
            if self.dropped % OUTGOING_BUFFER == 1:
                log.warning("%s takes too little: %d messages dropped", self.address, self.dropped)

    async def close(self) -> None:
        """End every subscription and connection; a second time it does nothing."""
        if self._closed:
            return
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    # What follows, but for `_dispatch`, runs in paho's thread.

    def _on_connect(self, client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason.is_failure:
            self._away(f"refuses the connection: {str(reason).lower()}")
            return
        self._connection += 1
        self._state = "ok"
        self._loop.call_soon_threadsafe(self._ever_connected.set)
        for subscription in list(self._subscriptions):
            client.subscribe([(topic_filter, subscription.qos) for topic_filter in subscription.filters])
        log.info("connected to %s", self.address)

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        self._away("nobody answers")

    def _away(self, reason: str) -> None:
        """Say once why there is no connection; paho goes on trying."""
        if self._state != reason:
            self._state = reason
            log.warning("%s: %s; trying again", self.address, reason)

    def _on_disconnect(self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        if reason == ReasonCode(PacketTypes.DISCONNECT):
            self._state = "not connected"
        elif self._state == "ok":
            self._away(f"connection lost: {str(reason).lower()}")

    def _on_message(self, _client: paho.Client, _data: Any, received: paho.MQTTMessage) -> None:
        self._loop.call_soon_threadsafe(self._dispatch, received, self._connection)

    def _dispatch(self, received: paho.MQTTMessage, connection: int) -> None:
        async def ack() -> None:
            # After a reconnect the broker sends the message again under another identifier.
            if connection == self._connection:
                self._client.ack(received.mid, received.qos)

        topic = received.topic
        subscription = next((known for known in self._subscriptions if known.matches(topic)), None)
        if subscription is None or not subscription.durable:
            self._client.ack(received.mid, received.qos)
        if subscription is not None:
            # An external broker does not tell who published, so keys stamped by a gateway must be believed.
            subscription.offer(
                Message(topic, bytes(received.payload), trusted=True, ack=ack if subscription.durable else None)
            )
