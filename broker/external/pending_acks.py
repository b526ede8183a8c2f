"""Acknowledgements under way between the bus and its broker: PUBACKs that we owe, SUBACKs that the broker owes."""

from asyncio import Future
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import Struct


class PendingAck(Struct, eq=False):
    """A message that is not acknowledged yet; `done` once it may be."""

    packet_id: int
    qos: int
    done: bool = False


class PendingAcks:
    """Acknowledgements of one connection; the broker numbers its messages anew in the next.

    They go out in the order in which the messages came [MQTT-4.6.0-2], in whatever order they are given.

    Args:
        send: acknowledges a packet identifier at a QoS.
    """

    def __init__(self, send: Callable[[int, int], object]) -> None:
        self._send = send
        self._pending: deque[PendingAck] = deque()
        self._closed = False

    def expect(self, packet_id: int, qos: int) -> PendingAck:
        """Note a message that will be acknowledged."""
        pending = PendingAck(packet_id, qos)
        self._pending.append(pending)
        return pending

    def acknowledge(self, pending: PendingAck) -> None:
        """Acknowledge a message, as soon as all that came before it are."""
        pending.done = True
        while self._pending and self._pending[0].done and not self._closed:
            first = self._pending.popleft()
            self._send(first.packet_id, first.qos)

    def close(self) -> None:
        """Send nothing more: the connection is gone."""
        self._closed = True


class PendingSubacks:
    """Subscriptions of one connection that the broker has not answered yet."""

    def __init__(self) -> None:
        self._pending: dict[int, tuple[Sequence[str], Future[None]]] = {}

    def __len__(self) -> int:
        return len(self._pending)

    def expect(self, packet_id: int, filters: Sequence[str], answered: "Future[None]") -> None:
        """Note a SUBSCRIBE; `answered` is done with its SUBACK, or with the connection."""
        self._pending[packet_id] = (filters, answered)

    def answered(self, packet_id: int, failures: Sequence[bool]) -> list[str]:
        """Take a SUBACK, which says of each filter if it failed; return the filters that did."""
        if packet_id not in self._pending:
            return []
        filters, answered = self._pending.pop(packet_id)
        _finish(answered)
        return [topic_filter for topic_filter, failed in zip(filters, failures, strict=False) if failed]

    def close(self) -> None:
        """Await nothing more: the connection is gone."""
        for _, answered in self._pending.values():
            _finish(answered)
        self._pending.clear()


def _finish(answered: "Future[None]") -> None:
    if not answered.done():  # whoever waited may have given up
        answered.set_result(None)
