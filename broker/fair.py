"""Whose turn it is: a queue in which a sender of much does not hold up senders of little. Pure."""

from collections import deque
from typing import Final, Generic, Protocol, TypeVar

OVERHEAD: Final = 256
"""What a message costs beside its payload, in bytes of payload: storing a sample costs about as much as decoding this."""
TURN: Final = 4 * 1024
"""What a topic may spend before the next has its turn."""
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


class FairQueue(Generic[Item]):
    """First in, first out for each topic, and a fair share for every topic, in bytes.

    Deficit round robin: M. Shreedhar and G. Varghese, "Efficient fair queueing using deficit round robin", SIGCOMM 1995.
    """

    def __init__(self) -> None:
        self._lines: dict[str, _Line[Item]] = {}
        self._length = 0

    def append(self, item: Item) -> None:
        """Add at the end of the topic's line."""
        line = self._lines.get(item.topic)
        if line is None:
            line = self._lines[item.topic] = _Line()
        line.items.append(item)
        line.cost += _cost(item)
        self._length += 1

    def popleft(self) -> Item:
        """Whose turn it is. Raises StopIteration where nothing waits."""
        while True:
            topic = next(iter(self._lines))
            line = self._lines[topic]
            cost = _cost(line.items[0])
            if cost <= line.credit:
                line.credit -= cost
                line.cost -= cost
                self._length -= 1
                item = line.items.popleft()
                if not line.items:
                    del self._lines[topic]
                return item
            line.credit += TURN
            del self._lines[topic]
            self._lines[topic] = line  # to the end: a dict keeps the order of insertion

    def crowded(self, topic: str) -> bool:
        """Whether so much waits of a topic that its senders have to."""
        line = self._lines.get(topic)
        return line is not None and line.cost >= LINE

    def __len__(self) -> int:
        return self._length


class _Line(Generic[Item]):
    """What waits of one topic: the sum of its costs, and what it may spend in this turn."""

    __slots__ = ("cost", "credit", "items")

    def __init__(self) -> None:
        self.items: deque[Item] = deque()
        self.cost = 0
        self.credit = TURN


def _cost(item: Queued) -> int:
    return OVERHEAD + len(item.payload)
