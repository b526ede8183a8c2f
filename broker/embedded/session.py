"""The session of a client on the network, and the connection as the session sees it."""

from typing import Final, Protocol

from broker.auth.identity import Identity
from broker.protocol.inbound import Received
from broker.protocol.outbound import Limits, Outbox, Outgoing

QUEUED: Final = Limits(messages=10_000, bytes=2 * 1024 * 1024)
"""Limits on the messages that wait for one client, connected or not."""


class Recipient(Protocol):
    """The live connection of a session."""

    def flush(self) -> None:
        """Write what the outbox has, as far as the client takes it."""
        ...

    def write_now(self, packet: bytes) -> bool:
        """Write past the outbox; return False if the client does not keep up."""
        ...

    def overflowed(self) -> None:
        """Note that too many messages at QoS 1 or 2 wait for this client."""
        ...


class Session:
    """Session state of one client (MQTT 3.1.1, section 3.1.2.4): its login, the messages to be sent to it, and the QoS 2
    messages that it has not released. A session that was not clean outlives its connection.
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
        """Send, or keep for the next connection if the session outlives this one."""
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
