"""amqtt, which keeps the sessions and answers the control packets; the rest of its work is done elsewhere.

Roles. A connection (`broker.embedded.connection`) admits a client, checks every packet, and lets amqtt see, through
the public `external` listener, a CONNECT, SUBSCRIBE, UNSUBSCRIBE and PINGREQ only. amqtt decodes these, keeps the sessions
and answers with CONNACK, SUBACK, UNSUBACK and PINGRESP. It never sees a PUBLISH, an acknowledgement, a password or a will:
it acknowledges before anybody has the message, gives a message up after five seconds without PUBACK
(github.com/Yakifo/amqtt, issue 391), does not send it again after a reconnect (pull request 402), queues without a bound
for clients that are away (issue 14), and publishes wills without asking who may. Those are ours.

amqtt is untyped and is imported here alone. It is pinned to 0.12.1, because four methods that are not its public interface
are overridden; a test fails when any of them changes:

`_del_subscription`, `_del_all_subscriptions`, `_publish_retained_messages_for_subscription` (with the public
`add_subscription`): amqtt walks a list of all filters for every message, connect and disconnect, and on a connect sends a
client the retained messages of *other* clients' filters. Here they end in the router's indexes, and amqtt's own list stays
empty. A subscription store that can be plugged in would close this upstream; no issue asks for one yet.

`_session_monitor`: amqtt walks all sessions once a second without a pause, which at 10,000 of them holds everybody up for
20 ms. Here it looks once a minute, and lets others have their turn. No issue is known upstream.

A session that ends is taken out of the public `sessions` by `forget`: amqtt itself does so within a second, and until then
hands a clean session to a client that comes back without the clean flag [MQTT-3.1.2-6].
"""

import asyncio
import logging
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from amqtt.adapters import ReaderAdapter, WriterAdapter  # type: ignore[import-untyped]
from amqtt.broker import Broker  # type: ignore[import-untyped]
from amqtt.contexts import BrokerConfig  # type: ignore[import-untyped]
from amqtt.plugins.base import BaseAuthPlugin  # type: ignore[import-untyped]

from broker.auth.acl import may_subscribe
from broker.contract.near_topics import near_filter
from broker.embedded.router import Router
from broker.pacing.log_limiter import LogLimiter
from broker.protocol import packet_types
from broker.protocol.topic_filters import valid_filter

log = logging.getLogger(__name__)

SESSION_EXPIRY_S: Final = 24 * 3600
"""A persistent session whose client does not come back is forgotten after this."""
_MONITOR_S: Final = 60.0
_MONITORED: Final = 500
"""Sessions that are looked at before others have their turn."""
_LISTENER: Final = "default"  # the one name that amqtt insists on


class Admitted(BaseAuthPlugin):  # type: ignore[misc]
    """Lets every client in, since it has been admitted before.

    amqtt's own anonymous plugin would end persistent sessions early.
    """

    @dataclass
    class Config:
        """amqtt wants one."""

    async def authenticate(self, *, session: Any) -> bool:
        """Yes."""
        del session
        return True


_CONFIG: Final[dict[str, Any]] = {
    # `external`: the sockets are ours, so a taken port is our error and a closed connection frees its descriptor.
    "listeners": {_LISTENER: {"type": "external", "bind": "ours"}},
    "plugins": {f"{Admitted.__module__}.{Admitted.__name__}": {}},
    "session_expiry_interval": SESSION_EXPIRY_S,
}


class ControlStream(ReaderAdapter, WriterAdapter):  # type: ignore[misc]
    """Stream of a connection as amqtt sees it: control packets that were checked, and its answers.

    Args:
        answer: called with each packet that amqtt writes.
        close: called when amqtt wants the connection closed.
    """

    def __init__(self, answer: Callable[[bytes], None], close: Callable[[], None]) -> None:
        self._answer = answer
        self._close = close
        self._buffer = bytearray()
        self.ended = False
        self._fed = asyncio.Event()

    def feed(self, packet: bytes) -> None:
        """Hand a packet to amqtt."""
        self._buffer += packet
        self._fed.set()

    def feed_eof(self) -> None:
        """The client is gone."""
        self.ended = True
        self._fed.set()

    async def read(self, n: int = -1) -> bytes:
        """Wait for `n` bytes; fewer once the client is gone."""
        while len(self._buffer) < n and not self.ended:
            self._fed.clear()
            await self._fed.wait()
        if len(self._buffer) < n:
            # amqtt waits for ever where its reader ends before `start` has made the future that tells so.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        data = bytes(self._buffer[:n])
        del self._buffer[:n]
        return data

    def write(self, data: bytes) -> None:
        """An answer of amqtt, always one whole packet."""
        self._answer(data)

    async def drain(self) -> None:
        """Answers are short, and a connection that does not read is not read from either."""

    def get_peer_info(self) -> tuple[str, int]:
        """Of the peer: amqtt only logs it."""
        return "", 0

    def get_ssl_info(self) -> ssl.SSLObject | None:
        """Certificates are checked before amqtt."""
        return None

    async def close(self) -> None:
        """Close the connection."""
        self._close()


class AmqttBroker(Broker):  # type: ignore[misc]
    """amqtt's broker over our router: it keeps the sessions and answers the control packets."""

    def __init__(self, router: Router) -> None:
        super().__init__(BrokerConfig.from_dict(_CONFIG))
        self._router = router
        self._warnings = LogLimiter(log, time.monotonic)

    async def serve(self, stream: ControlStream) -> None:
        """Serve one connection, from its CONNECT until it is gone."""
        await self.external_connected(stream, stream, _LISTENER)

    def knows(self, key: str) -> bool:
        """Return True if there is a session of this name."""
        return key in self.sessions

    def forget(self, key: str) -> None:
        """End a session and its subscriptions."""
        self.sessions.pop(key, None)
        self._router.forget(key)

    async def add_subscription(self, subscription: tuple[str, int], session: Any) -> int:
        """Subscribe if the filter is valid, permitted and not one too many; return the granted QoS, or 0x80."""
        topic_filter, qos = subscription
        meant = near_filter(topic_filter)
        if meant is not None:
            shown = topic_filter[:200]
            self._warnings.warn(
                "client %r subscribes to %r, where nothing is published: did you mean %s?", session.client_id, shown, meant
            )
        known = self._router.sessions.get(session.client_id)
        granted = (
            known is not None
            and valid_filter(topic_filter)
            and may_subscribe(known.identity, topic_filter)
            and self._router.subscribe(known, topic_filter, qos)
        )
        return qos if granted else packet_types.SUBSCRIPTION_REFUSED

    async def expire(self) -> None:
        """End the sessions whose clients have been away too long."""
        expired_before = time.time() - SESSION_EXPIRY_S
        for number, (key, (session, _)) in enumerate(list(self.sessions.items())):
            if session.last_disconnect_time is not None and session.last_disconnect_time < expired_before:
                self.forget(key)
            if number % _MONITORED == 0:
                await asyncio.sleep(0)

    async def _session_monitor(self) -> None:
        while True:
            await asyncio.sleep(_MONITOR_S)
            await self.expire()

    def _del_subscription(self, a_filter: str, session: Any) -> int:
        return int(self._router.unsubscribe(session.client_id, a_filter))

    async def _del_all_subscriptions(self, session: Any) -> None:
        self._router.forget(session.client_id)

    async def _publish_retained_messages_for_subscription(self, subscription: tuple[str, int], session: Any) -> None:
        self._router.send_retained(session.client_id, *subscription)
