"""Whose turn it is: a queue in which a sender of much does not hold up senders of little. Pure."""

from heapq import heappop, heappush
from typing import Final, Generic, Protocol, TypeVar

OVERHEAD: Final = 256
"""What a message costs beside its payload, in bytes of payload: storing a sample costs about as much as decoding this."""
SILENT: Final = 1_000
"""Topics of which nothing waits, and what they have used is still remembered."""
LINE: Final = 256 * 1024
"""What may wait of one topic; with more of it, its senders wait."""


class Queued(Protocol):
    """What is queued."""

    @property
    def topic(self) -> str:
        """Each has its own line."""
        ...

    @property
    def payload(self) -> bytes:
        """Its length is what the message costs."""
        ...


Item = TypeVar("Item", bound=Queued)


class _Line:
    """What waits of one topic: how many, what they cost, and when the last of them is done in virtual time."""

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
        self._lines: dict[str, _Line] = {}
        self._active = 0
        self._now = 0
        self._number = 0

    def append(self, item: Item) -> None:
        """Add at the end of the topic's line."""
        line = self._lines.get(item.topic)
        if line is None:
            line = self._lines[item.topic] = _Line()
        cost = OVERHEAD + len(item.payload)
        self._active += not line.count
        line.count += 1
        line.cost += cost
        line.finish = max(self._now, line.finish) + cost
        self._number += 1
        heappush(self._heap, (line.finish, self._number, cost, item))

    def popleft(self) -> Item:
        """Whose turn it is. Raises IndexError where nothing waits."""
        _, _, cost, item = heappop(self._heap)
        self._now += cost // self._active
        line = self._lines[item.topic]
        line.count -= 1
        line.cost -= cost
        self._active -= not line.count
        if not self._heap:
            self._lines.clear()
            self._now = 0
        elif len(self._lines) > 2 * self._active + SILENT:
            self._lines = {topic: one for topic, one in self._lines.items() if one.count or one.finish > self._now}
        return item

    def crowded(self, topic: str) -> bool:
        """Whether so much waits of a topic that its senders have to."""
        line = self._lines.get(topic)
        return line is not None and line.cost >= LINE

    def __len__(self) -> int:
        return len(self._heap)
