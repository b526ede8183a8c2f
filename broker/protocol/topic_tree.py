"""The filters of all subscribers, and the retained messages of all topics. Pure.

Both are trees of topic levels: what a topic or a filter costs depends on its own levels, not on how many others there are.
"""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

from msgspec import Struct

from broker.protocol.topic_filters import cost_bytes

Subscriber = TypeVar("Subscriber")
Value = TypeVar("Value")


class _Node(Generic[Value]):
    """One level of a topic or filter; `value` belongs to the path that ends here."""

    __slots__ = ("children", "value")

    def __init__(self) -> None:
        self.children: dict[str, _Node[Value]] = {}
        self.value: Value | None = None


class _Tree(Generic[Value]):
    """Paths of levels, each with a value; a path without one, and without longer ones, is removed."""

    def __init__(self) -> None:
        self.root: _Node[Value] = _Node()

    def node(self, path: str) -> _Node[Value]:
        """Return the node of `path`, made if it is not there."""
        node = self.root
        for level in path.split("/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = _Node()
            node = child
        return node

    def discard(self, path: str) -> None:
        """Remove the value of `path`, and the levels that lead nowhere then."""
        trail: list[tuple[_Node[Value], str]] = []
        node = self.root
        for level in path.split("/"):
            trail.append((node, level))
            if level not in node.children:
                return
            node = node.children[level]
        node.value = None
        for parent, level in reversed(trail):
            child = parent.children[level]
            if child.children or child.value is not None:
                return
            del parent.children[level]


class FilterIndex(Generic[Subscriber]):
    """Subscribers by filter, each with its QoS. Filters are valid, and none begins with ``$``."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[Subscriber, int]] = {}
        self._wild: _Tree[dict[Subscriber, int]] = _Tree()
        self._filters: dict[Subscriber, set[str]] = {}

    def filters(self, subscriber: Subscriber) -> AbstractSet[str]:
        """Return the filters of a subscriber."""
        return self._filters.get(subscriber, frozenset())

    def add(self, topic_filter: str, subscriber: Subscriber, qos: int) -> None:
        """Subscribe; the same filter again replaces the QoS [MQTT-3.8.4-3]."""
        self._filters.setdefault(subscriber, set()).add(topic_filter)
        if not _is_wild(topic_filter):
            self._exact.setdefault(topic_filter, {})[subscriber] = qos
            return
        node = self._wild.node(topic_filter)
        if node.value is None:
            node.value = {}
        node.value[subscriber] = qos

    def remove(self, topic_filter: str, subscriber: Subscriber) -> bool:
        """Unsubscribe; return False if there is no such subscription."""
        mine = self._filters.get(subscriber, set())
        if topic_filter not in mine:
            return False
        mine.discard(topic_filter)
        if not mine:
            del self._filters[subscriber]
        wild = _is_wild(topic_filter)
        subscribers = self._wild.node(topic_filter).value or {} if wild else self._exact[topic_filter]
        subscribers.pop(subscriber, None)
        if not subscribers and wild:
            self._wild.discard(topic_filter)
        elif not subscribers:
            del self._exact[topic_filter]
        return True

    def remove_all(self, subscriber: Subscriber) -> None:
        """End every subscription of a subscriber."""
        for topic_filter in tuple(self.filters(subscriber)):
            self.remove(topic_filter, subscriber)

    def match(self, topic: str) -> dict[Subscriber, int]:
        """Return every subscriber of `topic` once, with the highest QoS of its filters that match [MQTT-3.3.5-1]."""
        subscribers_qos = dict(self._exact.get(topic, {}))
        if self._wild.root.children:
            for subscribers in _matching_filters(self._wild.root, topic.split("/")):
                for subscriber, qos in subscribers.items():
                    subscribers_qos[subscriber] = max(qos, subscribers_qos.get(subscriber, 0))
        return subscribers_qos


def _is_wild(topic_filter: str) -> bool:
    return "+" in topic_filter or topic_filter.endswith("#")


def _matching_filters(root: _Node[Value], levels: list[str]) -> Iterator[Value]:
    nodes = [root]
    for depth, level in enumerate(levels):
        wildcards = not (depth == 0 and level.startswith("$"))  # [MQTT-4.7.2-1]
        following: list[_Node[Value]] = []
        for node in nodes:
            if wildcards:
                yield from _value_of(node, "#")
            following += [node.children[key] for key in ((level, "+") if wildcards else (level,)) if key in node.children]
        nodes = following
    for node in nodes:
        yield from _value_of(node, "#")
        if node.value is not None:
            yield node.value


def _value_of(node: _Node[Value], level: str) -> Iterator[Value]:
    child = node.children.get(level)
    if child is not None and child.value is not None:
        yield child.value


class Retained(Struct, frozen=True):
    """The last retained message of a topic."""

    topic: str
    payload: bytes
    qos: int


class RetainedMessages:
    """The last message of each topic, at most `limit` topics and `limit_bytes` of memory."""

    def __init__(self, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._tree: _Tree[Retained] = _Tree()
        self._topics: dict[str, int] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._topics)

    def keep(self, topic: str, payload: bytes, qos: int) -> bool:
        """Keep, or with an empty payload forget [MQTT-3.3.1-10]; return False if there is no room for it."""
        self._bytes -= self._topics.pop(topic, 0)
        self._tree.discard(topic)
        if not payload:
            return True
        size = cost_bytes(topic) + len(payload)
        if len(self._topics) >= self._limit or self._bytes + size > self._limit_bytes:
            return False
        self._topics[topic] = size
        self._bytes += size
        self._tree.node(topic).value = Retained(topic, payload, qos)
        return True

    def get(self, topic: str) -> Retained | None:
        """Return the retained message of a topic, if there is one."""
        return self._tree.node(topic).value if topic in self._topics else None

    def match(self, topic_filter: str) -> list[Retained]:
        """Return every retained message whose topic `topic_filter` matches."""
        levels = topic_filter.split("/")
        nodes = [self._tree.root]
        for depth, level in enumerate(levels):
            if level == "#":
                # The level above counts too: `a/#` takes `a`.
                return [value for node in nodes for value in _below(node, not_system=depth == 0)]
            nodes = [child for node in nodes for child in _children(node, level, not_system=depth == 0)]
        return [node.value for node in nodes if node.value is not None]


def _children(node: _Node[Value], level: str, *, not_system: bool) -> list[_Node[Value]]:
    if level != "+":
        return [node.children[level]] if level in node.children else []
    return [child for name, child in node.children.items() if not (not_system and name.startswith("$"))]


def _below(node: _Node[Value], *, not_system: bool) -> Iterator[Value]:
    """Yield the values at and below a node, without recursion: a topic may have thousands of levels."""
    if node.value is not None:
        yield node.value
    waiting = _children(node, "+", not_system=not_system)
    while waiting:
        child = waiting.pop()
        if child.value is not None:
            yield child.value
        waiting += child.children.values()
