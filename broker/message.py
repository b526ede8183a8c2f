"""A message for a subscriber."""

import time
from collections.abc import Awaitable, Callable

from broker.contract import Topic, parse_topic


class Message:
    """A message for a subscriber.

    Attributes:
        topic: as it was published.
        device_id: the topic's segment for the device; "" if the topic is none of the contract.
        channel: the contract's; None for any other topic.
        valid_device: `device_id` can be a device's name.
        trusted: the pipeline itself published it, as far as the bus can tell.
        client: the client identifier of the sender, as far as the bus can tell; else "".
        arrived_s: time of arrival by a monotonic clock.

    Args:
        parsed: the topic's parts, if the bus knows them already.
    """

    __slots__ = ("_ack", "arrived_s", "channel", "client", "device_id", "payload", "topic", "trusted", "valid_device")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        *,
        trusted: bool,
        ack: Callable[[], Awaitable[None]] | None = None,
        parsed: Topic | None = None,
        client: str = "",
    ) -> None:
        self.topic = topic
        parts = parsed or parse_topic(topic)
        self.device_id = "" if parts is None else parts.device_id
        self.channel = None if parts is None else parts.channel
        self.valid_device = parts is not None and parts.valid
        self.payload = payload
        self.trusted = trusted
        self.client = client
        self.arrived_s = time.monotonic()
        self._ack = ack

    @property
    def acknowledged_later(self) -> bool:
        """True if `ack` releases the message at its broker."""
        return self._ack is not None

    async def ack(self) -> None:
        """The sender's broker may forget the message now, because it is committed."""
        if self._ack is not None:
            await self._ack()
