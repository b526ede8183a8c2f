"""What one client publishes: to the router, as room allows, and the answers back once it is committed."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from broker.auth.acl import may_publish
from broker.contract import Topic, parse_topic
from broker.embedded.packet_reader import Hold, PacketReader
from broker.embedded.router import Held, InboundMessage, Router
from broker.embedded.session import Session
from broker.embedded.transport import Transport
from broker.protocol.inbound import Answer, Inbox
from broker.protocol.packets_in import Publish
from broker.protocol.topic_filters import MAX_LEVELS, too_deep
from broker.subscription import Subscription

UNANSWERED: Final = 500
"""Publishes of one connection that may wait for their commit; beyond it the connection is not read."""


class ForbiddenError(Exception):
    """A client publishes on a topic that it may not use; the message names it."""


class _Waiting(NamedTuple):
    """A message for which a subscriber in this process has no room; `call` is what it calls."""

    subscription: Subscription
    message: InboundMessage
    answer: Answer | None
    call: Callable[[], None]


class InboundPublisher:
    """One connection's way to the router.

    Args:
        router: where messages go.
        intake: held up while a subscriber has no room, or too much is unanswered.
        wire: where the answers go.
    """

    def __init__(self, router: Router, intake: PacketReader, wire: Transport) -> None:
        self._router = router
        self._intake = intake
        self._wire = wire
        self._inbox = Inbox(self._answers_due)
        self._waiting: _Waiting | None = None
        self._session: Session | None = None
        self._topic: str | None = None
        self._parsed: Topic | None = None
        self._flushing = False
        self._lost = False
        self._closed = False
        self._loop = asyncio.get_running_loop()

    def attach(self, session: Session) -> None:
        """Publish as the session's client; its QoS 2 messages are known."""
        self._session = session
        self._inbox.attach(session.received)

    def take(self, publish: Publish) -> None:
        """Hand a message on, now or as soon as there is room. Raises `ForbiddenError`."""
        if publish.topic != self._topic:  # most clients publish on one topic
            self._check(publish.topic)
        if publish.qos < 2 or not self._inbox.repeated(publish.packet_id):
            self._offer(*self._inbound(publish))
        self._hold_while_unanswered()

    def _check(self, topic: str) -> None:
        """Parse the topic and check the client's right to publish on it."""
        parsed = parse_topic(topic)
        if self._session is None or not may_publish(self._session.who, topic, parsed):
            raise ForbiddenError(f"may not publish on {topic[:200]!r}")
        if too_deep(topic):
            raise ForbiddenError(f"a topic of more than {MAX_LEVELS} levels")
        self._topic, self._parsed = topic, parsed

    def release(self, packet_id: int) -> bytes:
        """A PUBREL; returns the PUBCOMP."""
        return self._inbox.release(packet_id)

    def left(self) -> None:
        """The client sends no more: a message that it still has, for want of an answer, is not waited for."""
        if self._waiting is not None and self._waiting.message.qos:
            self._wait_no_more()

    def lost(self) -> None:
        """The client is gone: no message is waited for."""
        self._lost = True
        self._wait_no_more()

    def close(self) -> None:
        """Nothing is handed on or answered any more."""
        self._closed = True
        self._wait_no_more()

    def _inbound(self, publish: Publish) -> tuple[InboundMessage, Answer | None]:
        qos = publish.qos
        answer = Answer(self._inbox, qos, publish.packet_id) if qos else None
        acknowledged = None if answer is None else answer.committed
        return InboundMessage(publish.topic, self._parsed, publish.payload, qos, publish.retain, acknowledged), answer

    def _offer(self, message: InboundMessage, answer: Answer | None) -> None:
        offered = self._router.offer(message)
        if isinstance(offered, Held):
            if not self._lost and not (self._intake.left and message.qos):
                self._wait_for(_Waiting(offered.subscription, message, answer, self._try_again))
        elif answer is not None:
            self._inbox.expect(answer, offered)

    def _hold_while_unanswered(self) -> None:
        if len(self._inbox) >= UNANSWERED:
            self._intake.hold(Hold.COMMIT)

    def _wait_for(self, waiting: _Waiting) -> None:
        self._intake.hold(Hold.ROOM)
        self._waiting = waiting
        waiting.subscription.when_room(waiting.call, waiting.message.topic)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.subscription.forget(self._waiting.call)
            self._waiting = None
            self._intake.holds &= ~Hold.ROOM

    def _try_again(self) -> None:
        waiting = self._waiting
        self._wait_no_more()
        if waiting is not None:
            self._offer(waiting.message, waiting.answer)
            self._hold_while_unanswered()
            self._intake.release(Hold(0))

    def _answers_due(self) -> None:
        """Write the answers together that become due together."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._closed:
            return
        self._wire.write(self._inbox.take())
        if len(self._inbox) < UNANSWERED:
            self._intake.release(Hold.COMMIT)
