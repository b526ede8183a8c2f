"""One client's way to the router: its rights are checked for each topic, however often it publishes on one."""

import asyncio

import pytest

from broker.auth.identity import Identity
from broker.contract import SENSOR_DATA
from broker.embedded.life_cycle import ConnectionState
from broker.embedded.packet_reader import PacketReader
from broker.embedded.publisher import ForbiddenError, InboundPublisher
from broker.embedded.router import Router
from broker.embedded.session import Session
from broker.protocol.packets_in import Publish
from broker.protocol.topic_filters import MAX_LEVELS
from tests.support.mqtt.no_transport import NoTransport

OWN = SENSOR_DATA.topic("alice")


def unattached(router: Router) -> InboundPublisher:
    transport, state = NoTransport(), ConnectionState()
    reader = PacketReader(transport, state, 100, None)  # type: ignore[arg-type]
    return InboundPublisher(router, reader, transport, state)  # type: ignore[arg-type]


def publisher(router: Router, identity: Identity | None) -> InboundPublisher:
    made = unattached(router)
    made.attach(Session("key", identity, clean=True))
    return made


def publish(topic: str) -> Publish:
    return Publish(topic, b"{}", 0, retain=True, dup=False, packet_id=0)


@pytest.mark.parametrize(
    ("identity", "topics", "forbidden"),
    [
        (Identity("alice", "device"), [OWN, OWN, SENSOR_DATA.topic("bob")], "may not publish on 'stress/v1/bob"),
        (Identity("alice", "device"), [OWN, "t"], "may not publish on 't'"),
        (None, ["t", "t", "$SYS/x"], r"may not publish on '\$SYS/x'"),
        (None, ["t", "/" * MAX_LEVELS], f"more than {MAX_LEVELS} levels"),
    ],
)
def test_the_right_to_publish_is_checked_whenever_the_topic_changes(
    identity: Identity | None, topics: list[str], forbidden: str
) -> None:
    async def main() -> None:
        router = Router()
        sender = publisher(router, identity)
        *allowed, last = topics
        for topic in allowed:
            sender.take(publish(topic))
        for _ in range(2):
            with pytest.raises(ForbiddenError, match=forbidden):
                sender.take(publish(last))
        assert {one.topic for one in router.retained.match("#")} <= set(allowed)

    asyncio.run(main())


def test_nothing_is_published_before_there_is_a_session() -> None:
    async def main() -> None:
        sender = unattached(Router())
        with pytest.raises(ForbiddenError):
            sender.take(publish("t"))

    asyncio.run(main())
