"""Topic names and filters (MQTT 3.1.1, section 4.7). Pure."""

MAX_LEVELS = 32
"""Deeper topics and filters are refused: MQTT allows 65,536 levels, each of which would cost a node of a tree."""

_NODE_BYTES = 400
"""Memory of a level in a tree, about."""


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Return True if a filter matches a topic (MQTT 3.1.1, section 4.7).

    ``+`` is one level, a final ``#`` all that follow; neither matches a leading ``$``.
    """
    if topic_filter == topic:
        return True
    if topic.startswith("$") and topic_filter[:1] in ("+", "#"):
        return False
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted.pop()
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(want in ("+", level) for want, level in zip(wanted, levels, strict=True))


def valid_filter(topic_filter: str) -> bool:
    """Return True if ``+`` stands for whole levels only, and ``#`` for the last one only [MQTT-4.7.1-2] [MQTT-4.7.1-3]."""
    if too_deep(topic_filter):
        return False
    levels = topic_filter.split("/")
    return all(level in ("+", "#") or not ("+" in level or "#" in level) for level in levels) and "#" not in levels[:-1]


def too_deep(topic: str) -> bool:
    """Return True if a topic or filter has more than `MAX_LEVELS`."""
    return topic.count("/") >= MAX_LEVELS


def cost_bytes(topic: str) -> int:
    """Return about how much memory a topic or filter takes in a tree."""
    return len(topic) + _NODE_BYTES * (topic.count("/") + 1)
