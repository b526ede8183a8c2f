"""Messages that one client publishes: to the router, as room allows, and back their acknowledgements once committed."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from broker.auth.acl import may_publish
from broker.contract import Topic, parse_topic
from broker.contract.near_topics import near_topic
from broker.embedded.life_cycle import ConnectionState, LifeCycle
from broker.embedded.packet_reader import PacketReader, PauseReason
from broker.embedded.router import Held, InboundMessage, Router, login_of
from broker.embedded.session import Session
from broker.embedded.transport import Transport
from broker.protocol.inbound import Inbox, PendingAck
from broker.protocol.packets_in import Publish
from broker.protocol.topic_filters import MAX_LEVELS, too_deep
from broker.subscription import Subscription

MAX_PENDING_ACKS: Final = 500
"""Publishes of one connection that may wait for their commit; beyond it the connection is not read."""


class ForbiddenError(Exception):
    """A client publishes on a topic that it may not use; the message names it."""


class _Waiting(NamedTuple):
    """A message for which a subscriber in this process has no room; `retry` is called once it has."""

    subscription: Subscription
    message: InboundMessage
    pending_ack: PendingAck | None
    retry: Callable[[], None]


class InboundPublisher:
    """One connection's way to the router.

    Args:
        router: gets the messages.
        reader: paused while a subscriber has no room, or too much is not acknowledged.
        transport: gets the acknowledgements.
        state: of the connection.
    """

    def __init__(self, router: Router, reader: PacketReader, transport: Transport, state: ConnectionState) -> None:
        self._router = router
        self._reader = reader
        self._transport = transport
        self._state = state
        self._inbox = Inbox(self._acks_due)
        self._waiting: _Waiting | None = None
        self._session: Session | None = None
        self._topic: str | None = None
        self._parsed: Topic | None = None
        self._flushing = False
        self._loop = asyncio.get_running_loop()

    def attach(self, session: Session) -> None:
        """Publish as the session's client; its QoS 2 messages are known."""
        self._session = session
        self._inbox.attach(session.received)

    def take(self, publish: Publish) -> None:
        """Hand a message on, now or as soon as there is room. Raises `ForbiddenError`."""
        if publish.topic != self._topic:  # most clients publish on one topic
            self._check(publish)
        if publish.qos < 2 or not self._inbox.repeated(publish.packet_id):
            self._offer(*self._inbound(publish))
        self._pause_over_limit()

    def release(self, packet_id: int) -> bytes:
        """Take a PUBREL; return the PUBCOMP."""
        return self._inbox.release(packet_id)

    def left(self) -> None:
        """Wait for no room for a message that the client still has, since it lacks an acknowledgement: it has left."""
        if self._waiting is not None and self._waiting.message.qos:
            self.stop_waiting()

    def stop_waiting(self) -> None:
        """Wait for no room for any message: the client or the connection is gone."""
        if self._waiting is not None:
            self._waiting.subscription.forget(self._waiting.retry)
            self._waiting = None
            self._reader.resume(PauseReason.ROOM)

    def _check(self, publish: Publish) -> None:
        """Parse the topic and check the client's right to publish on it."""
        topic = publish.topic
        parsed = parse_topic(topic)
        if self._session is None or not may_publish(self._session.identity, topic, parsed):
            raise ForbiddenError(f"may not publish on {topic[:200]!r}{self._hint(publish)}")
        if too_deep(topic):
            raise ForbiddenError(f"a topic of more than {MAX_LEVELS} levels")
        self._topic, self._parsed = topic, parsed

    def _hint(self, publish: Publish) -> str:
        """Return the topic that the client means, if it is nearly one of its own; it is told as without logins."""
        near = near_topic(publish.topic)
        if near is None:
            return ""
        session = self._session
        if session is not None and near.device_id == login_of(session.identity):
            message = InboundMessage(publish.topic, None, publish.payload, publish.qos, publish.retain, None, session.key)
            self._router.note_misaddressed(message, read=False)
        return f": did you mean {near.meant}?"

    def _inbound(self, publish: Publish) -> tuple[InboundMessage, PendingAck | None]:
        qos = publish.qos
        pending_ack = PendingAck(self._inbox, qos, publish.packet_id) if qos else None
        acknowledged = None if pending_ack is None else pending_ack.committed
        client = "" if self._session is None else self._session.key
        message = InboundMessage(publish.topic, self._parsed, publish.payload, qos, publish.retain, acknowledged, client)
        return message, pending_ack

    def _offer(self, message: InboundMessage, pending_ack: PendingAck | None) -> bool:
        """Return False if the message waits for room; one that nobody can wait for any more is dropped."""
        offered = self._router.offer(message)
        if not isinstance(offered, Held):
            if pending_ack is not None:
                self._inbox.expect(pending_ack, offered)
            return True
        if self._state.now is LifeCycle.LOST or (self._state.now is LifeCycle.LEFT and message.qos):
            return True
        self._waiting = _Waiting(offered.subscription, message, pending_ack, self._retry)
        self._reader.pause(PauseReason.ROOM)
        offered.subscription.when_room(self._waiting.retry, message.topic)
        return False

    def _retry(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and self._offer(waiting.message, waiting.pending_ack):
            self._pause_over_limit()
            self._reader.resume(PauseReason.ROOM)

    def _pause_over_limit(self) -> None:
        if len(self._inbox) >= MAX_PENDING_ACKS:
            self._reader.pause(PauseReason.COMMIT)

    def _acks_due(self) -> None:
        """Write together the acknowledgements that become due together."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._state.ended:
            return
        self._transport.write(self._inbox.take())
        if PauseReason.COMMIT in self._reader.paused_for and len(self._inbox) < MAX_PENDING_ACKS:
            self._reader.resume(PauseReason.COMMIT)
