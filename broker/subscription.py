"""The bounded buffer between a bus and one subscriber."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Self

from broker.message import Message
from broker.pacing.fair_queue import FairQueue
from broker.protocol.topic_filters import topic_matches

BUFFER_BYTES: Final = 64 * 1024 * 1024
"""Bytes that may wait for a subscriber, beside the limit on messages: a message may be as long as a packet."""


class Subscription:
    """A buffer between the bus and one subscriber, bounded by `buffer` messages and `BUFFER_BYTES`.

    A durable subscriber must get everything: `put` waits for room; a sender that cannot wait looks at `full_for` and asks
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
        self._reserved = 0
        self._waiting: dict[Callable[[], None], str] = {}
        self._filled = asyncio.Event()
        self._closed = False

    def matches(self, topic: str) -> bool:
        """Return True if one of the filters matches `topic`."""
        return any(topic_matches(topic_filter, topic) for topic_filter in self.filters)

    async def put(self, message: Message) -> None:
        """Wait for room, then add. FIFO: waiting senders are admitted in order."""
        if self.full_for(message.topic) or self._waiting:
            await self._wait_for_room(message.topic)
        self._add(message)

    async def _wait_for_room(self, topic: str) -> None:
        """Wait behind those that asked `when_room` before; the room is reserved until the task runs again."""
        called = asyncio.get_running_loop().create_future()

        def take_place() -> None:
            if not called.done():
                self._reserved += 1
                called.set_result(None)

        self.when_room(take_place, topic)
        self._call_waiting()
        try:
            await called
        finally:
            self.forget(take_place)
            if called.done() and not called.cancelled():
                self._reserved -= 1

    @property
    def full(self) -> bool:
        """True if there is room for no message."""
        if self._closed:
            return False
        return len(self._messages) + self._reserved >= self.buffer or self._bytes >= BUFFER_BYTES

    def full_for(self, topic: str) -> bool:
        """Return True if `put` would wait: there is no room, or as much waits of this topic as may."""
        return self.full or (self._fair is not None and not self._closed and self._fair.over_limit(topic))

    @property
    def closed(self) -> bool:
        """True if the subscriber is gone: nothing that is put here now will be acknowledged."""
        return self._closed

    def when_room(self, call: Callable[[], None], topic: str) -> None:
        """Call once, in the order of asking, as soon as there is room for a topic; also when the subscription closes."""
        self._waiting[call] = topic

    def forget(self, call: Callable[[], None]) -> None:
        """Do not call any more."""
        self._waiting.pop(call, None)

    def offer(self, message: Message) -> None:
        """Add without waiting. Without room something is dropped and counted: the oldest message, but for a durable
        subscriber this one, and never one that will be acknowledged.
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
        """Wait for messages and return them: at least one, at most `limit`, and none more once they have `size` bytes.

        Empty only once the subscription is closed.
        """
        while not self._messages and not self._closed:
            self._filled.clear()
            await self._filled.wait()
        taken: list[Message] = []
        while self._messages and len(taken) < limit and size > 0:
            taken.append(self._messages.popleft())
            size -= len(taken[-1].payload)
        self._bytes -= sum(len(message.payload) for message in taken)
        self._call_waiting()
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
        """Wake all that wait; what is still buffered can be taken."""
        self._closed = True
        self._filled.set()
        self._call_waiting()

    def _call_waiting(self) -> None:
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
