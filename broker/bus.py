"""The bus that every part talks to: bounded subscriptions, and the protocol that the two buses share."""

import asyncio
import os
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Final, Protocol, Self

from broker.contract import Topic, parse_topic
from broker.pacing.fair_queue import FairQueue
from broker.protocol.topics import topic_matches

BUFFER_BYTES: Final = 64 * 1024 * 1024
"""What may wait for a subscriber at most, beside the limit on messages: a message may be as long as a packet."""


class BusError(Exception):
    """The bus cannot be opened; the message says which address and why."""


def why(error: Exception) -> str:
    """The system's own words for an address that cannot be used, without what a library put before them."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)


class Message:
    """A message for a subscriber.

    Attributes:
        topic: as it was published.
        device_id: the topic's segment for the device; "" if the topic is none of the contract.
        channel: the contract's; None for any other topic.
        valid_device: `device_id` can be a device's name.
        trusted: the pipeline itself published it, as far as the bus can tell.
        arrived_s: time of arrival by a monotonic clock.

    Args:
        parsed: the topic's parts, if the bus knows them already.
    """

    __slots__ = ("_ack", "arrived_s", "channel", "device_id", "payload", "topic", "trusted", "valid_device")

    def __init__(
        self,
        topic: str,
        payload: bytes,
        *,
        trusted: bool,
        ack: Callable[[], Awaitable[None]] | None = None,
        parsed: Topic | None = None,
    ) -> None:
        self.topic = topic
        found = parsed or parse_topic(topic)
        self.device_id = "" if found is None else found.device_id
        self.channel = None if found is None else found.channel
        self.valid_device = found is not None and found.valid
        self.payload = payload
        self.trusted = trusted
        self.arrived_s = time.monotonic()
        self._ack = ack

    @property
    def acknowledged_later(self) -> bool:
        """Whether `ack` tells anybody."""
        return self._ack is not None

    async def ack(self) -> None:
        """The sender's broker may forget the message now, because it is committed."""
        if self._ack is not None:
            await self._ack()


class Subscription:
    """A buffer between the bus and one subscriber, bounded by `buffer` messages and `BUFFER_BYTES`.

    A durable subscriber must get everything: `put` waits for room; who cannot wait looks at `full_for` and asks
    `when_room`. It gets what it takes fairly by topic, and nobody waits behind another topic's crowd
    (`broker.pacing.fair_queue`). Any other one gets all in the order of arrival, and of what is too much for it the newest.
    """

    def __init__(self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int) -> None:
        self.filters = tuple(filters)
        self.qos = qos
        self.durable = durable
        self.buffer = buffer
        self.dropped = 0
        self._fair = FairQueue[Message]() if durable else None
        self._messages: FairQueue[Message] | deque[Message] = deque() if self._fair is None else self._fair
        self._bytes = 0
        self._promised = 0
        self._waiting: dict[Callable[[], None], str] = {}
        self._filled = asyncio.Event()
        self._closed = False

    def matches(self, topic: str) -> bool:
        """Whether one of the filters takes `topic`."""
        return any(topic_matches(topic_filter, topic) for topic_filter in self.filters)

    async def put(self, message: Message) -> None:
        """Wait for room, then add; those who wait come in their order, and nobody slips in before them."""
        if self.full_for(message.topic) or self._waiting:
            await self._place(message.topic)
        self._add(message)

    async def _place(self, topic: str) -> None:
        """Wait in the line of those who ask `when_room`; the place is kept until the task runs again."""
        called = asyncio.get_running_loop().create_future()

        def take_place() -> None:
            if not called.done():
                self._promised += 1
                called.set_result(None)

        self.when_room(take_place, topic)
        self._call_those_who_wait()
        try:
            await called
        finally:
            self.forget(take_place)
            if called.done() and not called.cancelled():
                self._promised -= 1

    @property
    def full(self) -> bool:
        """Whether there is room for nothing."""
        if self._closed:
            return False
        return len(self._messages) + self._promised >= self.buffer or self._bytes >= BUFFER_BYTES

    def full_for(self, topic: str) -> bool:
        """Whether `put` would wait: there is no room, or as much as may wait of this topic."""
        return self.full or (self._fair is not None and not self._closed and self._fair.crowded(topic))

    @property
    def closed(self) -> bool:
        """Whether the subscriber is gone: nothing that is put here now will be acknowledged."""
        return self._closed

    def when_room(self, call: Callable[[], None], topic: str) -> None:
        """Call once, in the order of asking, as soon as there is room for a topic; also when the subscription closes."""
        self._waiting[call] = topic

    def forget(self, call: Callable[[], None]) -> None:
        """Do not call any more."""
        self._waiting.pop(call, None)

    def offer(self, message: Message) -> None:
        """Add without waiting; where there is no room something is dropped and counted: the oldest, and of what a durable
        subscriber cannot take this one, but never one that somebody will ask for an acknowledgement of.
        """
        if self._fair is None:
            while self.full and self._messages:
                self._bytes -= len(self._messages.popleft().payload)
                self.dropped += 1
        elif self.full and not message.acknowledged_later:
            self.dropped += 1
            return
        self._add(message)

    async def take(self, limit: int, size: int = BUFFER_BYTES) -> list[Message]:
        """Whatever is waiting: at least one message, at most `limit`, and none more once they have `size` bytes. Empty only
        once the subscription is closed.
        """
        while not self._messages and not self._closed:
            self._filled.clear()
            await self._filled.wait()
        taken: list[Message] = []
        while self._messages and len(taken) < limit and size > 0:
            taken.append(self._messages.popleft())
            size -= len(taken[-1].payload)
        self._bytes -= sum(len(message.payload) for message in taken)
        self._call_those_who_wait()
        return taken

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        taken = await self.take(1)
        if not taken:
            raise StopAsyncIteration
        return taken[0]

    def __len__(self) -> int:
        return len(self._messages)

    def close(self) -> None:
        """Wake everybody who waits; what is still buffered can be taken."""
        self._closed = True
        self._filled.set()
        self._call_those_who_wait()

    def _call_those_who_wait(self) -> None:
        # Each may fill the buffer again, or ask once more: then the rest goes on waiting.
        for call, topic in list(self._waiting.items()):
            if self.full:
                return
            if call in self._waiting and not self.full_for(topic):
                del self._waiting[call]
                call()

    def _add(self, message: Message) -> None:
        if not self._closed:
            self._messages.append(message)
            self._bytes += len(message.payload)
            self._filled.set()


class Bus(Protocol):
    """Subscribe first, then `open`: nothing arrives before everybody who must see it is there. `async with` closes it."""

    def subscribe(
        self, filters: Sequence[str], *, qos: int, durable: bool, buffer: int, group: str | None = None
    ) -> Subscription:
        """Take part in `filters`; only a durable subscriber's `ack` releases a message at its broker.

        The members of a `group`, in several processes, share the messages as their broker sees fit.
        """
        ...

    async def open(self) -> None:
        """Let messages in. Raises `BusError`."""
        ...

    async def publish(self, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False) -> None:
        """Send to every subscriber of `topic`."""
        ...

    async def deliver(self, topic: str, payload: bytes) -> None:
        """Send at QoS 1, and return when the broker has it. Raises `BusError` where it does not take it."""
        ...

    async def drain(self) -> None:
        """Durable subscribers get what has come, and nothing more; they can still acknowledge and publish."""
        ...

    async def close(self) -> None:
        """End every subscription: their subscribers finish what has arrived. A second time it does nothing."""
        ...

    @property
    def state(self) -> str:
        """`ok`, or in a few words why not."""
        ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
