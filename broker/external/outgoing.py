"""Messages on their way to an external broker, over any number of connections."""

from asyncio import Future
from collections import deque
from collections.abc import Callable
from typing import NamedTuple


class OutgoingMessage(NamedTuple):
    """A message to be sent; `delivered` is done with its PUBACK, for a sender that waits."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    delivered: "Future[None] | None" = None


class Outgoing:
    """Messages that wait for a connection or for their PUBACK.

    Args:
        limit: messages that wait for a connection at most.
        publish: gives a message to the connection; returns its packet identifier, or None if there is no room.
    """

    def __init__(self, limit: int, publish: Callable[[OutgoingMessage], int | None]) -> None:
        self.dropped = 0
        self._limit = limit
        self._publish = publish
        self._waiting: deque[OutgoingMessage] = deque()
        self._unacknowledged: dict[int, Future[None]] = {}

    def send(self, message: OutgoingMessage) -> bool:
        """Send over the connection; return False, and count it, if there is no room."""
        packet_id = self._publish(message)
        if packet_id is None:
            self.dropped += 1
            return False
        if message.delivered is not None:
            self._unacknowledged[packet_id] = message.delivered
        return True

    def keep(self, message: OutgoingMessage) -> bool:
        """Keep for the next connection, unless it is at QoS 0; return False, and count it, if too many wait."""
        if not message.qos:
            return True
        if len(self._waiting) >= self._limit:
            self.dropped += 1
            return False
        self._waiting.append(message)
        return True

    def take_waiting(self) -> deque[OutgoingMessage]:
        """Return what waits for a connection: there is one."""
        waiting, self._waiting = self._waiting, deque()
        return waiting

    def acknowledged(self, packet_id: int) -> None:
        """Take a PUBACK."""
        delivered = self._unacknowledged.pop(packet_id, None)
        if delivered is not None and not delivered.done():
            delivered.set_result(None)

    def close(self, error: Exception) -> None:
        """Raise `error` for everybody that waits for a delivery."""
        for delivered in [*self._unacknowledged.values(), *(message.delivered for message in self._waiting)]:
            if delivered is not None and not delivered.done():
                delivered.set_exception(error)
