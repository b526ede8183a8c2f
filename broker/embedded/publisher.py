"""What one client publishes: to the router, as room allows, and the answers back once it is committed."""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from broker.bus import Subscription
from broker.embedded.context import Transport
from broker.embedded.packet_reader import Hold, PacketReader
from broker.embedded.router import Arrival, Router, nothing
from broker.protocol.inbound import Inbox, Received
from broker.protocol.packets import Publish

UNANSWERED: Final = 500
"""Publishes of one connection that may wait for their commit; beyond it the connection is not read."""


class _Waiting(NamedTuple):
    """A message for which a subscriber in this process has no room; `call` is what it calls."""

    subscription: Subscription
    publish: Publish
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
        self._flushing = False
        self._lost = False
        self._closed = False
        self._loop = asyncio.get_running_loop()

    def attach(self, received: Received) -> None:
        """The QoS 2 messages of the session that the connection belongs to."""
        self._inbox.attach(received)

    def take(self, publish: Publish) -> None:
        """A message that may be published: handed on now, or as soon as there is room."""
        if publish.qos < 2 or not self._inbox.repeated(publish.packet_id):
            self._hand_on(publish)
        self._hold_while_unanswered()

    def release(self, packet_id: int) -> bytes:
        """A PUBREL; returns the PUBCOMP."""
        return self._inbox.release(packet_id)

    def left(self) -> None:
        """The client sends no more: a message that it still has, for want of an answer, is not waited for."""
        if self._waiting is not None and self._waiting.publish.qos:
            self._wait_no_more()

    def lost(self) -> None:
        """The client is gone: no message is waited for."""
        self._lost = True
        self._wait_no_more()

    def close(self) -> None:
        """Nothing is handed on or answered any more."""
        self._closed = True
        self._wait_no_more()

    def _hand_on(self, publish: Publish) -> None:
        full = self._router.held_up_by(publish.topic)
        if full is not None:
            if not self._lost and not (self._intake.left and publish.qos):
                self._wait_for(_Waiting(full, publish, self._try_again))
            return
        if publish.qos == 0:
            self._router.arrive(Arrival(publish.topic, publish.payload, 0, publish.retain, nothing))
            return
        answer = self._inbox.expect(publish.qos, publish.packet_id)
        answer.awaits = self._router.arrive(
            Arrival(publish.topic, publish.payload, publish.qos, publish.retain, answer.committed)
        )
        self._inbox.settle(answer)

    def _hold_while_unanswered(self) -> None:
        if len(self._inbox) >= UNANSWERED:
            self._intake.hold(Hold.COMMIT)

    def _wait_for(self, waiting: _Waiting) -> None:
        self._intake.hold(Hold.ROOM)
        self._waiting = waiting
        waiting.subscription.when_room(waiting.call, waiting.publish.topic)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.subscription.forget(self._waiting.call)
            self._waiting = None
            self._intake.holds &= ~Hold.ROOM

    def _try_again(self) -> None:
        waiting = self._waiting
        self._wait_no_more()
        if waiting is not None:
            self._hand_on(waiting.publish)
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
