"""Routing from a publisher to every subscriber, in this process and on the network; and the network's sessions."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Final

from msgspec import Struct

from broker.auth.acl import may_receive, may_retain
from broker.auth.identity import Identity
from broker.contract import Topic, parse_topic
from broker.contract.near_topics import near_topic
from broker.embedded.session import Recipient, Session
from broker.message import Message
from broker.protocol.filter_index import FilterIndex
from broker.protocol.outbound import Outgoing
from broker.protocol.retained import RetainedMessages
from broker.protocol.topic_filters import cost_bytes
from broker.subscription import Subscription

log = logging.getLogger(__name__)

RETAINED_TOPICS: Final = 20_000
RETAINED_BYTES: Final = 64 * 1024 * 1024
TOPICS_REMEMBERED: Final = 10_000
"""Topics of which the subscribers in this process are remembered; with one more it begins anew."""
LONGEST_REMEMBERED: Final = 200
"""Characters of a topic that is remembered: all of the contract are shorter, and clients may send 65,535 bytes."""
MAX_FILTERS: Final = 10_000
MAX_FILTER_BYTES: Final = 8 * 1024 * 1024
"""Of all filters of one session together, as they are indexed."""


class InboundMessage(Struct, frozen=True):
    """A message from the network.

    Attributes:
        parsed: parts of the topic; None if it is none of the contract.
        acknowledged: called by each durable subscriber; None at QoS 0.
        client: the sender's client identifier.
    """

    topic: str
    parsed: Topic | None
    payload: bytes
    qos: int
    retain: bool
    acknowledged: Callable[[], Awaitable[None]] | None
    client: str = ""


class Held(Struct, frozen=True):
    """A message must wait: a durable subscriber in this process, which must have it, has no room."""

    subscription: Subscription


def login_of(identity: Identity | None) -> str:
    """Return the login's name; empty if there are no logins."""
    return "" if identity is None else identity.login


class Router:
    """All subscriptions, and the sessions of clients on the network.

    Synchronous: when `offer` returns, every subscriber has the message.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.retained = RetainedMessages(RETAINED_TOPICS, RETAINED_BYTES)
        self.local: list[Subscription] = []
        self._local = FilterIndex[Subscription]()
        self._misaddressed: list[Subscription] = []
        self._matched: dict[str, tuple[Subscription, ...]] = {}
        self._index = FilterIndex[str]()
        self._dropped_before = 0
        self._by_login: dict[str, dict[str, None]] = {}

    @property
    def dropped(self) -> int:
        """Messages that clients were too slow for, since the start."""
        return self._dropped_before + sum(session.outbox.dropped for session in self.sessions.values())

    def subscribe_here(self, subscription: Subscription) -> None:
        """Take part inside this process."""
        self.local.append(subscription)
        for topic_filter in subscription.filters:
            self._local.add(topic_filter, subscription, subscription.qos)
        self._matched.clear()

    def take_misaddressed(self, subscription: Subscription) -> None:
        """Give a subscription what clients publish on topics that are nearly the contract's, or that nobody reads."""
        self.local.append(subscription)
        self._misaddressed.append(subscription)

    def _local_matches(self, topic: str) -> tuple[Subscription, ...]:
        """Return the subscribers in this process, remembered by topic: their filters hardly ever change."""
        matches = self._matched.get(topic)
        if matches is not None:
            return matches
        matches = tuple(self._local.match(topic))
        if len(topic) <= LONGEST_REMEMBERED:
            if len(self._matched) >= TOPICS_REMEMBERED:
                self._matched.clear()
            self._matched[topic] = matches
        return matches

    def offer(self, inbound: InboundMessage) -> Held | int:
        """Send a message from the network to every subscriber, if each durable one here has room for it.

        Returns `Held` with the one that has none, and nobody has got the message then; else the number of acknowledgements
        to await.
        """
        topic, parsed, qos = inbound.topic, inbound.parsed, inbound.qos
        subscriptions = self._local_matches(topic)
        for subscription in subscriptions:
            if subscription.durable and subscription.full_for(topic):
                return Held(subscription)
        awaited = 0
        for subscription in subscriptions:
            ack = inbound.acknowledged if subscription.durable else None
            awaited += ack is not None
            subscription.offer(Message(topic, inbound.payload, trusted=False, ack=ack, parsed=parsed))
        if inbound.retain:
            self._retain(topic, inbound.payload, qos, parsed)
        read = self._route(topic, inbound.payload, qos, parsed) or bool(subscriptions)
        if parsed is None:
            self.note_misaddressed(inbound, read=read or inbound.retain)
        return awaited

    def note_misaddressed(self, inbound: InboundMessage, *, read: bool) -> None:
        """Show a message to those that take what misses its topic; `read`: somebody else gets it, now or later."""
        if read and near_topic(inbound.topic) is None:
            return  # somebody's own topic
        message = Message(inbound.topic, inbound.payload, trusted=False, client=inbound.client)
        for subscription in self._misaddressed:
            subscription.offer(message)

    async def publish(self, topic: str, payload: bytes, qos: int, *, retain: bool) -> None:
        """Send a message of the pipeline itself; wait while a durable subscriber has no room."""
        parsed = parse_topic(topic)
        for subscription in self._local_matches(topic):
            message = Message(topic, payload, trusted=True, parsed=parsed)
            if subscription.durable:
                await subscription.put(message)
            else:
                subscription.offer(message)
        if retain:
            self._retain(topic, payload, qos, parsed)
        self._route(topic, payload, qos, parsed)

    def attach(self, key: str, identity: Identity | None, recipient: Recipient, *, clean: bool) -> Session:
        """Return the session of a client that has just been accepted: its old one, or a new one."""
        session = self.sessions.get(key)
        if session is None:
            session = self.sessions[key] = Session(key, identity, clean=clean)
        session.recipient = recipient
        session.outbox.reconnected()
        return session

    def detach(self, key: str, recipient: Recipient) -> None:
        """Note that a connection of the session is gone."""
        session = self.sessions.get(key)
        if session is not None and session.recipient is recipient:
            session.recipient = None
            session.outbox.disconnected()

    def forget(self, key: str) -> None:
        """End a session: its subscriptions, and what waits for it."""
        self._index.remove_all(key)
        session = self.sessions.pop(key, None)
        if session is not None:
            self.release(key, session.identity)
            self._dropped_before += session.outbox.dropped

    def reserve(self, key: str, identity: Identity | None) -> None:
        """Count a session, from before its client is accepted until it is `released`."""
        self._by_login.setdefault(login_of(identity), {})[key] = None

    def release(self, key: str, identity: Identity | None) -> None:
        """Count it no more, unless it is kept."""
        keys = self._by_login.get(login_of(identity))
        if keys is not None and key not in self.sessions:
            keys.pop(key, None)
            if not keys:
                del self._by_login[login_of(identity)]

    def sessions_of(self, identity: Identity | None) -> int:
        """Return the number of sessions that a login has or has reserved."""
        return len(self._by_login.get(login_of(identity), ()))

    def oldest_away(self, identity: Identity | None) -> str | None:
        """Return the oldest session of a login whose client is not connected, if there is one."""
        kept = (self.sessions.get(key) for key in self._by_login.get(login_of(identity), ()))
        return next((session.key for session in kept if session is not None and session.recipient is None), None)

    def subscribe(self, session: Session, topic_filter: str, qos: int) -> bool:
        """Subscribe a session; return False if it has too many filters."""
        filters = self._index.filters(session.key)
        if topic_filter not in filters:
            size = session.filter_bytes + cost_bytes(topic_filter)
            if len(filters) >= MAX_FILTERS or size > MAX_FILTER_BYTES:
                return False
            session.filter_bytes = size
        self._index.add(topic_filter, session.key, qos)
        return True

    def unsubscribe(self, key: str, topic_filter: str) -> bool:
        """Unsubscribe a session; return False if there is no such subscription."""
        removed = self._index.remove(topic_filter, key)
        if removed and key in self.sessions:
            self.sessions[key].filter_bytes -= cost_bytes(topic_filter)
        return removed

    def send_retained(self, key: str, topic_filter: str, qos: int) -> None:
        """Send what is retained on a filter's topics to a session that has just subscribed [MQTT-3.3.1-6]."""
        session = self.sessions.get(key)
        if session is not None:
            session.outbox.add_lazy(topic_filter, self._retained_for(session, topic_filter, qos))
            if session.recipient is not None:
                session.recipient.flush()

    def _retained_for(self, session: Session, topic_filter: str, qos: int) -> Iterator[tuple[Outgoing, int]]:
        """Yield each message as the client takes it, as it is then: so no retained message overtakes a newer one."""
        for topic in [kept.topic for kept in self.retained.match(topic_filter)]:
            kept = self.retained.get(topic)
            if kept is not None and may_receive(session.identity, topic):
                yield Outgoing(topic, kept.payload, retain=True), min(qos, kept.qos)

    def _retain(self, topic: str, payload: bytes, qos: int, parsed: Topic | None) -> None:
        if may_retain(topic, parsed) and not self.retained.keep(topic, payload, qos):
            log.warning("no room to retain another topic: %d topics are retained", len(self.retained))

    def _route(self, topic: str, payload: bytes, qos: int, parsed: Topic | None) -> bool:
        """Send to the subscribers on the network; return False if there are none."""
        subscribers = self._index.match(topic)
        if not subscribers:
            return False
        message = Outgoing(topic, payload)
        for key, subscribed_qos in subscribers.items():
            session = self.sessions.get(key)
            if session is not None and may_receive(session.identity, topic, parsed):
                session.send(message, min(qos, subscribed_qos))
        return True
