"""Messages that wait for one client or for its acknowledgement: the sending side of a session. Pure.

Two queues, both bounded: at QoS 0 the oldest makes room; at QoS 1 and 2 it does so as well, but whoever puts it there is
told, because a client that is connected and falls so far behind is better cut off. An in-flight message leaves only with
its acknowledgement, and is sent again to the next connection [MQTT-4.4.0-1].
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from broker.protocol import packets_out
from broker.protocol.packet_framer import MalformedError
from broker.protocol.packet_types import Type

WINDOW: Final = 100
"""Messages at QoS 1 and 2 on their way to one client; a client with a short buffer is not flooded."""
_MAX_ID: Final = 0xFFFF
_ENTRY_BYTES: Final = 200
"""Memory of a queued message beside its topic and payload."""


class Limits(Struct, frozen=True):
    """Limits on what waits for one client, at QoS 0 and again at QoS 1 and 2; a single message is always taken."""

    messages: int
    bytes: int


class Outgoing:
    """A message on its way to subscribers; encoded once for all that get it at QoS 0."""

    __slots__ = ("_plain", "payload", "retain", "topic")

    def __init__(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.topic = topic.encode()
        self.payload = payload
        self.retain = retain
        self._plain: bytes | None = None

    def __len__(self) -> int:
        """Bytes of memory, about."""
        return len(self.topic) + len(self.payload) + _ENTRY_BYTES

    def plain(self) -> bytes:
        """The PUBLISH at QoS 0."""
        if self._plain is None:
            self._plain = packets_out.publish(self.topic, self.payload, qos=0, retain=self.retain)
        return self._plain


class _Queue:
    """Messages in the order of their coming, each with its number in the whole outbox and its QoS."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: deque[tuple[int, Outgoing, int]] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def next_number(self) -> float:
        return self._entries[0][0] if self._entries else float("inf")

    def add(self, number: int, message: Outgoing, qos: int) -> int:
        """Add; how many of the oldest had to make room."""
        self._entries.append((number, message, qos))
        self._bytes += len(message)
        dropped = 0
        while len(self._entries) > self._limits.messages or (self._bytes > self._limits.bytes and len(self._entries) > 1):
            self.pop()
            dropped += 1
        return dropped

    def pop(self) -> tuple[Outgoing, int]:
        _, message, qos = self._entries.popleft()
        self._bytes -= len(message)
        return message, qos

    def clear(self) -> None:
        self._entries.clear()
        self._bytes = 0


class _InFlight:
    """A message that was sent; `released`: at QoS 2 its PUBREC has come, and PUBREL is what counts now."""

    __slots__ = ("message", "qos", "released")

    def __init__(self, message: Outgoing, qos: int) -> None:
        self.message = message
        self.qos = qos
        self.released = False


class Outbox:
    """The sending side of one session; it outlives connections. `take` gives the bytes that may be written now."""

    def __init__(self, limits: Limits) -> None:
        self.dropped = 0
        self._best_effort = _Queue(limits)
        self._assured = _Queue(limits)
        self._in_flight: dict[int, _InFlight] = {}
        self._resend: deque[int] = deque()
        self._lazy: dict[str, Iterator[tuple[Outgoing, int]]] = {}
        self._number = 0
        self._last_id = 0

    def __len__(self) -> int:
        return len(self._best_effort) + len(self._assured) + len(self._in_flight)

    @property
    def idle(self) -> bool:
        """True if a message at QoS 0 may be written past the queues."""
        return not self._best_effort and not self._assured and not self._resend and not self._lazy

    def put(self, message: Outgoing, qos: int) -> bool:
        """Queue a message; return False if one at QoS 1 or 2 had to make room."""
        self._number += 1
        if qos == 0:
            self.dropped += self._best_effort.add(self._number, message, qos)
            return True
        dropped = self._assured.add(self._number, message, qos)
        self.dropped += dropped
        return dropped == 0

    def add_lazy(self, name: str, messages: Iterator[tuple[Outgoing, int]]) -> None:
        """Add messages, with their QoS, that are made only when their turn comes: before what is queued.

        The messages of the same name that were added before, and are not made yet, are forgotten.
        """
        self._lazy[name] = messages

    def take(self, budget: int) -> bytes:
        """Return the next packets, about `budget` bytes of them; empty if nothing may be sent now."""
        taken: list[bytes] = []
        size = 0
        while size < budget and (packet := self._next()) is not None:
            taken.append(packet)
            size += len(packet)
        return b"".join(taken)

    def reconnected(self) -> None:
        """A new connection: all that is in flight is to be sent once more."""
        self._resend = deque(self._in_flight)

    def disconnected(self) -> None:
        """The connection is gone: what was at QoS 0 is gone with it."""
        self._resend.clear()
        self._best_effort.clear()

    def acknowledge(self, packet_id: int) -> None:
        """A PUBACK. One that nobody waits for is ignored. Raises `MalformedError` for a message at QoS 2."""
        self._finish(packet_id, qos=1)

    def received(self, packet_id: int) -> bytes:
        """A PUBREC; returns the PUBREL. Raises `MalformedError` for a message at QoS 1."""
        in_flight = self._in_flight.get(packet_id)
        if in_flight is not None:
            _check_qos(in_flight, 2)
            in_flight.released = True
        return packets_out.acknowledgement(Type.PUBREL, packet_id)

    def complete(self, packet_id: int) -> None:
        """A PUBCOMP. One that nobody waits for is ignored. Raises `MalformedError` for a message at QoS 1."""
        self._finish(packet_id, qos=2)

    def _finish(self, packet_id: int, *, qos: int) -> None:
        in_flight = self._in_flight.get(packet_id)
        if in_flight is not None:
            _check_qos(in_flight, qos)
            del self._in_flight[packet_id]

    def _next(self) -> bytes | None:
        while self._resend:
            packet_id = self._resend.popleft()
            if packet_id in self._in_flight:
                return self._packet_again(packet_id)
        open_window = len(self._in_flight) < WINDOW
        if self._lazy and open_window and (supplied := self._next_lazy()) is not None:
            return supplied
        if self._best_effort and (not open_window or self._best_effort.next_number < self._assured.next_number):
            return self._best_effort.pop()[0].plain()
        return self._send(*self._assured.pop()) if self._assured and open_window else None

    def _next_lazy(self) -> bytes | None:
        while self._lazy:
            name, messages = next(iter(self._lazy.items()))
            for message, qos in messages:
                return self._send(message, qos) if qos else message.plain()
            del self._lazy[name]
        return None

    def _send(self, message: Outgoing, qos: int) -> bytes:
        packet_id = self._free_id()
        self._in_flight[packet_id] = _InFlight(message, qos)
        return packets_out.publish(message.topic, message.payload, qos=qos, retain=message.retain, packet_id=packet_id)

    def _packet_again(self, packet_id: int) -> bytes:
        in_flight = self._in_flight[packet_id]
        if in_flight.released:
            return packets_out.acknowledgement(Type.PUBREL, packet_id)
        message = in_flight.message
        return packets_out.publish(
            message.topic, message.payload, qos=in_flight.qos, retain=message.retain, dup=True, packet_id=packet_id
        )

    def _free_id(self) -> int:
        while True:
            self._last_id = self._last_id % _MAX_ID + 1
            if self._last_id not in self._in_flight:
                return self._last_id


def _check_qos(in_flight: _InFlight, qos: int) -> None:
    if in_flight.qos != qos:
        raise MalformedError(f"an acknowledgement for QoS {qos} of a message at QoS {in_flight.qos}")
