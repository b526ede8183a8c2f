"""A tree of topic levels. Pure.

What a topic or a filter costs depends on its own levels, not on how many others there are.
"""

from typing import Generic, TypeVar

Value = TypeVar("Value")


class Node(Generic[Value]):
    """One level of a topic or filter; `value` belongs to the path that ends here."""

    __slots__ = ("children", "value")

    def __init__(self) -> None:
        self.children: dict[str, Node[Value]] = {}
        self.value: Value | None = None


class TopicTree(Generic[Value]):
    """Paths of levels, each with a value; a path without one, and without longer ones, is removed."""

    def __init__(self) -> None:
        self.root: Node[Value] = Node()

    def node(self, path: str) -> Node[Value]:
        """Return the node of `path`, made if it is not there."""
        node = self.root
        for level in path.split("/"):
            child = node.children.get(level)
            if child is None:
                child = node.children[level] = Node()
            node = child
        return node

    def discard(self, path: str) -> None:
        """Remove the value of `path`, and the levels that lead nowhere then."""
        trail: list[tuple[Node[Value], str]] = []
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
