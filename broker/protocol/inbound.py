"""Acknowledgements that one client waits for: the receiving side of a connection. Pure.

A PUBLISH at QoS 1 or 2 is answered once every subscriber that has to commit it has done so, and the answers go out in the
order of the messages [MQTT-4.6.0-2] [MQTT-4.6.0-3]. A QoS 2 message is known by its identifier until its PUBREL, also
across the connections of one session, and is taken once [MQTT-4.3.3-2].
"""

from collections import deque
from collections.abc import Callable

from broker.protocol import packets_out
from broker.protocol.packet_types import Type


class PendingAck:
    """The PUBACK or PUBREC of one message: due once `awaits` of those who took it have committed it."""

    __slots__ = ("awaits", "inbox", "kind", "packet_id")

    def __init__(self, inbox: "Inbox", qos: int, packet_id: int) -> None:
        self.awaits = 0
        self.inbox = inbox
        self.kind = Type.PUBACK if qos == 1 else Type.PUBREC
        self.packet_id = packet_id

    async def committed(self) -> None:
        """One of those who took the message has committed it."""
        self.awaits -= 1
        self.inbox.settle(self)


Received = dict[int, PendingAck | None]
"""A session's QoS 2 messages without PUBREL; None once its PUBREC may be said, and said again."""


class Inbox:
    """The answers that one connection owes.

    Args:
        due: called when the next answer has become due; `take` then gives the bytes.
    """

    def __init__(self, due: Callable[[], None]) -> None:
        self._due = due
        self._owed: deque[PendingAck] = deque()
        self._received: Received = {}

    def __len__(self) -> int:
        return len(self._owed)

    def attach(self, received: Received) -> None:
        """The session that the connection belongs to."""
        self._received = received

    def expect(self, pending_ack: PendingAck, awaits: int) -> None:
        """Owe the answer to a message at QoS 1 or 2 that is handed on: due once `awaits` subscribers have committed it."""
        pending_ack.awaits = awaits
        if pending_ack.kind is Type.PUBREC:
            self._received[pending_ack.packet_id] = pending_ack
        self._owed.append(pending_ack)
        self.settle(pending_ack)

    def repeated(self, packet_id: int) -> bool:
        """Return True if a message at QoS 2 was taken before; its PUBREC is then owed once more."""
        if packet_id not in self._received:
            return False
        pending_ack = self._received[packet_id]
        if pending_ack is None:
            pending_ack = PendingAck(self, 2, packet_id)
            self._owed.append(pending_ack)
            self.settle(pending_ack)
        elif pending_ack.inbox is not self:
            pending_ack.inbox = self  # sent on an earlier connection, and still to be committed
            self._owed.append(pending_ack)
        return True

    def release(self, packet_id: int) -> bytes:
        """Take a PUBREL; return the PUBCOMP."""
        self._received.pop(packet_id, None)
        return packets_out.acknowledgement(Type.PUBCOMP, packet_id)

    def settle(self, pending_ack: PendingAck) -> None:
        """See whether an answer is due."""
        if pending_ack.awaits:
            return
        if self._received.get(pending_ack.packet_id) is pending_ack:
            self._received[pending_ack.packet_id] = None
        if self._owed and self._owed[0].awaits == 0:
            self._due()

    def take(self) -> bytes:
        """Return all acknowledgements that are due now."""
        answers = bytearray()
        while self._owed and self._owed[0].awaits == 0:
            pending_ack = self._owed.popleft()
            answers += packets_out.acknowledgement(pending_ack.kind, pending_ack.packet_id)
        return bytes(answers)
