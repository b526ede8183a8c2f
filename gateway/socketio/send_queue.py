"""A conflating queue of live events for one client: all of them, or the newest of each kind if it is slow. No I/O."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

MAX_LAGGING: Final = 1_000
"""Kinds of events that are kept for one client; beyond it the oldest are dropped."""

Kind = tuple[str, str]
"""The name of an event and a device: a newer event replaces an older one."""


class SendQueue:
    """Live events for one client.

    Args:
        has_room: returns True if another packet may wait for the client.
        send: lets a packet wait for it.
    """

    def __init__(self, has_room: Callable[[], bool], send: Callable[[Any], None]) -> None:
        self._has_room = has_room
        self._send = send
        self._newest: OrderedDict[Kind, Any] = OrderedDict()
        self._skipped = 0

    @property
    def lagging(self) -> bool:
        """True while events are kept back, or while the client does not know yet that some were dropped."""
        return bool(self._newest or self._skipped)

    def add_dropped(self, count: int) -> None:
        """Count events that were dropped before they came here."""
        self._skipped += count

    def put(self, kind: Kind, packet: Any) -> int:
        """Send at once, or keep as the newest of its kind; return how many events were dropped for it."""
        if not self._newest and self._has_room():
            self._send(packet)
            return 0
        dropped = int(self._newest.pop(kind, None) is not None)
        self._newest[kind] = packet
        if len(self._newest) > MAX_LAGGING:
            self._newest.popitem(last=False)
            dropped += 1
        self._skipped += dropped
        return dropped

    def catch_up(self) -> int | None:
        """Send the newest of each kind while there is room.

        Return how many events were dropped, once all are sent; else None.
        """
        while self._newest and self._has_room():
            self._send(self._newest.popitem(last=False)[1])
        if self._newest:
            return None
        skipped, self._skipped = self._skipped, 0
        return skipped
