"""The will of a client (MQTT 3.1.1, section 3.1.2.5): published when the client goes without a DISCONNECT."""

from broker.auth.acl import may_publish
from broker.contract import parse_topic
from broker.embedded.context import ServerContext
from broker.embedded.router import Held, InboundMessage
from broker.embedded.session import Session
from broker.protocol.packets_in import Will


class WillPublisher:
    """Keeps the will of one connection, and publishes it at most once."""

    def __init__(self, context: ServerContext) -> None:
        self._context = context
        self._will: Will | None = None

    def keep(self, will: Will | None) -> None:
        """Keep the will of the CONNECT."""
        self._will = will

    def discard(self) -> None:
        """Forget the will: the client has sent a DISCONNECT [MQTT-3.14.4-3]."""
        self._will = None

    def publish(self, session: Session | None) -> None:
        """Publish the will of a client that was accepted; it is lost, and counted, if a durable subscriber has no room."""
        will, self._will = self._will, None
        if will is None or session is None:
            return
        parsed = parse_topic(will.topic)
        if not may_publish(session.identity, will.topic, parsed):
            return
        message = InboundMessage(will.topic, parsed, will.payload, will.qos, will.retain, None, session.key)
        if isinstance(self._context.router.offer(message), Held):
            self._context.counters.lost_wills += 1
            self._context.warnings.warn("the will of %s is lost: nobody has room for it", session.key)
