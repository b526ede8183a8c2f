"""The session of a client on the network, and what it asks of the client's connection."""

from typing import Final, Protocol

from broker.auth.identity import Identity
from broker.protocol.inbound import Received
from broker.protocol.outbound import Limits, Outbox, Outgoing

QUEUED: Final = Limits(messages=10_000, bytes=2 * 1024 * 1024)
"""What may wait for one client, connected or not."""


class Recipient(Protocol):
    """The live connection of a session."""

    def flush(self) -> None:
        """Write what the outbox has, as far as the client takes it."""
        ...

    def write_now(self, packet: bytes) -> bool:
        """Write past the outbox; False where the client does not keep up."""
        ...

    def overflowed(self) -> None:
        """Too many messages at QoS 1 or 2 wait for this client."""
        ...


class Session:
    """What is kept for one client: who it is, what it is to be sent, and the QoS 2 messages that it has not released.
    A session that was not clean outlives its connection.
    """

    def __init__(self, key: str, identity: Identity | None, *, clean: bool) -> None:
        self.key = key
        self.identity = identity
        self.clean = clean
        self.outbox = Outbox(QUEUED)
        self.received: Received = {}
        self.recipient: Recipient | None = None
        self.filter_bytes = 0

    def send(self, message: Outgoing, qos: int) -> None:
        """Send, or keep for the next connection where there will be one."""
        recipient, outbox = self.recipient, self.outbox
        if recipient is None:
            if qos and not self.clean:
                outbox.put(message, qos)
            return
        if qos == 0 and outbox.idle and recipient.write_now(message.plain()):
            return
        if outbox.put(message, qos):
            recipient.flush()
        else:
            recipient.overflowed()
