"""The life cycle of a connection: which of its two ends may still send, and what may follow."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class LifeCycle(Enum):
    """States of a connection. `reads`: packets that have come are still handled."""

    OPEN = "open", True
    LEFT = "left", True
    """The client sends no more; what it has sent counts, then the connection ends."""
    LOST = "lost", True
    """The transport is gone; what has come before still counts, but waits neither for room nor for the client."""
    FINISHING = "finishing", False
    """We take no more, and the client may read to the end what it has been sent."""
    CLOSED = "closed", False
    """We have ended it, and the transport is still to go."""
    GONE = "gone", False
    """It has ended, and there is no transport."""

    def __init__(self, label: str, reads: bool) -> None:
        self.label = label
        self.reads = reads


_OPEN, _LEFT, _LOST, _FINISHING, _CLOSED, _GONE = LifeCycle

TRANSITIONS: Final[Mapping[LifeCycle, frozenset[LifeCycle]]] = {
    _OPEN: frozenset({_LEFT, _LOST, _FINISHING, _CLOSED}),
    _LEFT: frozenset({_LOST, _FINISHING, _CLOSED}),
    _LOST: frozenset({_GONE}),
    _FINISHING: frozenset({_CLOSED}),
    _CLOSED: frozenset({_GONE}),
    _GONE: frozenset(),
}
"""States that may follow each."""


class ConnectionState:
    """State of one connection, which the connection moves on and its parts read."""

    __slots__ = ("now",)

    def __init__(self) -> None:
        self.now = LifeCycle.OPEN

    @property
    def ended(self) -> bool:
        """True once the connection is closed, with or without a transport."""
        return self.now is LifeCycle.CLOSED or self.now is LifeCycle.GONE

    def enter(self, state: LifeCycle) -> bool:
        """Move on to `state`; return False, and stay, if it may not follow."""
        if state not in TRANSITIONS[self.now]:
            return False
        self.now = state
        return True
