"""What one frontend is sent live: everything, or, where it cannot keep up, the newest of each kind. No I/O."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

MAX_BEHIND: Final = 1_000
"""Kinds of news that are kept for one frontend; beyond it the oldest are dropped."""

Kind = tuple[str, str]
"""An event and a device: a newer one makes an older one worthless."""


class SendQueue:
    """Live events for one frontend.

    Args:
        room: whether another packet may wait for it.
        put: lets a packet wait for it.
    """

    def __init__(self, room: Callable[[], bool], put: Callable[[Any], None]) -> None:
        self._room = room
        self._put = put
        self._newest: OrderedDict[Kind, Any] = OrderedDict()
        self._skipped = 0

    @property
    def behind(self) -> bool:
        """Whether there is something to catch up with, or to be told of."""
        return bool(self._newest or self._skipped)

    def miss(self, count: int) -> None:
        """So many events were lost before they came here."""
        self._skipped += count

    def offer(self, kind: Kind, packet: Any) -> int:
        """Send now, or keep as the newest of its kind; how many events were given up for it."""
        if not self._newest and self._room():
            self._put(packet)
            return 0
        given_up = int(self._newest.pop(kind, None) is not None)
        self._newest[kind] = packet
        if len(self._newest) > MAX_BEHIND:
            self._newest.popitem(last=False)
            given_up += 1
        self._skipped += given_up
        return given_up

    def catch_up(self) -> int | None:
        """Send the newest of each kind as far as there is room; once all are sent, how many events it was not sent."""
        while self._newest and self._room():
            self._put(self._newest.popitem(last=False)[1])
        if self._newest:
            return None
        skipped, self._skipped = self._skipped, 0
        return skipped
