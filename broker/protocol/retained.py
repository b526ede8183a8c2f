"""Retained messages: the last one of each topic. Pure."""

from collections.abc import Iterator

from msgspec import Struct

from broker.protocol.topic_filters import cost_bytes
from broker.protocol.topic_tree import Node, TopicTree, Value


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
        self._tree: TopicTree[Retained] = TopicTree()
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


def _children(node: Node[Value], level: str, *, not_system: bool) -> list[Node[Value]]:
    if level != "+":
        return [node.children[level]] if level in node.children else []
    return [child for name, child in node.children.items() if not (not_system and name.startswith("$"))]


def _below(node: Node[Value], *, not_system: bool) -> Iterator[Value]:
    """Yield the values at and below a node, without recursion: a topic may have thousands of levels."""
    if node.value is not None:
        yield node.value
    waiting = _children(node, "+", not_system=not_system)
    while waiting:
        child = waiting.pop()
        if child.value is not None:
            yield child.value
        waiting += child.children.values()
