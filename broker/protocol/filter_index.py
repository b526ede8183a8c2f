"""The topic filters of all subscribers. Pure."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

from broker.protocol.topic_tree import Node, TopicTree, Value

Subscriber = TypeVar("Subscriber")


class FilterIndex(Generic[Subscriber]):
    """Subscribers by filter, each with its QoS. Filters are valid, and none begins with ``$``."""

    def __init__(self) -> None:
        self._exact: dict[str, dict[Subscriber, int]] = {}
        self._wild: TopicTree[dict[Subscriber, int]] = TopicTree()
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


def _matching_filters(root: Node[Value], levels: list[str]) -> Iterator[Value]:
    nodes = [root]
    for depth, level in enumerate(levels):
        wildcards = not (depth == 0 and level.startswith("$"))  # [MQTT-4.7.2-1]
        following: list[Node[Value]] = []
        for node in nodes:
            if wildcards:
                yield from _value_of(node, "#")
            following += [node.children[key] for key in ((level, "+") if wildcards else (level,)) if key in node.children]
        nodes = following
    for node in nodes:
        yield from _value_of(node, "#")
        if node.value is not None:
            yield node.value


def _value_of(node: Node[Value], level: str) -> Iterator[Value]:
    child = node.children.get(level)
    if child is not None and child.value is not None:
        yield child.value
