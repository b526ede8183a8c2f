"""Fair queueing by topic: a sender of much does not hold up senders of little. Pure."""

from heapq import heappop, heappush
from typing import Final, Generic, Protocol, TypeVar

OVERHEAD: Final = 256
"""Cost of a message beside its payload, in bytes of payload: storing a sample costs about as much as decoding this."""
IDLE_TOPICS_KEPT: Final = 1_000
"""Topics of which nothing waits, and whose share that is used up is still remembered."""
MAX_TOPIC_BYTES: Final = 256 * 1024
"""Cost of the messages of one topic that may wait; with more, its senders wait."""


class Queued(Protocol):
    """A message in the queue."""

    @property
    def topic(self) -> str:
        """Messages of one topic stay in their order."""
        ...

    @property
    def payload(self) -> bytes:
        """Its length is the cost of the message."""
        ...


Item = TypeVar("Item", bound=Queued)


class _TopicQueue:
    """Messages of one topic that wait: their number and cost, and the virtual time at which the last of them is done."""

    __slots__ = ("cost", "count", "finish")

    def __init__(self) -> None:
        self.count = 0
        self.cost = 0
        self.finish = 0


class FairQueue(Generic[Item]):
    """First in, first out for each topic, and a fair share for every topic, in bytes.

    Weighted fair queueing with equal weights: A. Demers, S. Keshav and S. Shenker, "Analysis and simulation of a fair
    queueing algorithm", SIGCOMM 1989. Next is what would be done first if all topics were served at once, byte by byte; the
    virtual time is how many bytes of each were then served. So a topic that uses less than its share waits for the one
    message that is being taken, and not, as in a round robin, for one of each other topic.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, Item]] = []  # finish, number, cost
        self._topics: dict[str, _TopicQueue] = {}
        self._active = 0
        self._now = 0
        self._number = 0

    def append(self, item: Item) -> None:
        """Add behind the other messages of the topic."""
        line = self._topics.get(item.topic)
        if line is None:
            line = self._topics[item.topic] = _TopicQueue()
        cost = OVERHEAD + len(item.payload)
        self._active += not line.count
        line.count += 1
        line.cost += cost
        line.finish = max(self._now, line.finish) + cost
        self._number += 1
        heappush(self._heap, (line.finish, self._number, cost, item))

    def popleft(self) -> Item:
        """Remove and return the next message. Raises IndexError if none waits."""
        _, _, cost, item = heappop(self._heap)
        self._now += cost // self._active
        line = self._topics[item.topic]
        line.count -= 1
        line.cost -= cost
        self._active -= not line.count
        if not self._heap:
            self._topics.clear()
            self._now = 0
        elif len(self._topics) > 2 * self._active + IDLE_TOPICS_KEPT:
            self._topics = {topic: one for topic, one in self._topics.items() if one.count or one.finish > self._now}
        return item

    def over_limit(self, topic: str) -> bool:
        """Return True if so much waits of a topic that its senders have to wait."""
        line = self._topics.get(topic)
        return line is not None and line.cost >= MAX_TOPIC_BYTES

    def __len__(self) -> int:
        return len(self._heap)
