"""The router: one look at the subscribers in this process for each message from the network."""

import asyncio

import pytest

from broker.auth.identity import Identity
from broker.contract import MAX_DEVICE_ID, SENSOR_DATA, parse_topic
from broker.embedded import router as module
from broker.embedded.router import Held, InboundMessage, Router
from broker.embedded.session import Session
from broker.protocol.outbound import Outgoing
from broker.subscription import Subscription

TOPIC = SENSOR_DATA.topic("alice")


async def acknowledged() -> None:
    """Nobody listens."""


def inbound(topic: str = TOPIC, qos: int = 1, *, retain: bool = False) -> InboundMessage:
    return InboundMessage(topic, parse_topic(topic), b"{}", qos, retain, acknowledged if qos else None)


def subscription(topic_filter: str = SENSOR_DATA.topic("+"), *, durable: bool = True, buffer: int = 5) -> Subscription:
    return Subscription([topic_filter], qos=1, durable=durable, buffer=buffer)


def subscribed(*subscriptions: Subscription) -> Router:
    router = Router()
    for one in subscriptions:
        router.subscribe_here(one)
    return router


def test_as_many_acknowledgements_are_awaited_as_durable_subscribers_get_the_message() -> None:
    router = subscribed(subscription(), subscription(), subscription(durable=False), subscription("elsewhere"))
    assert router.offer(inbound()) == 2
    assert [len(one) for one in router.local] == [1, 1, 1, 0]
    assert router.offer(inbound(qos=0)) == 0
    assert router.offer(inbound("nobody/here")) == 0


@pytest.mark.parametrize(
    ("topic", "misaddressed"),
    [
        (TOPIC, False),
        ("/" + TOPIC, True),
        (TOPIC + "/", True),
        (TOPIC.upper(), True),
        ("stress/v1/alice/status", True),
        ("stress/v1/alice/own", True),
        ("nobody/here", True),
        ("somebody/here", False),
        ("stress/v1/somebody", True),  # below our root: nobody else's
        ("somebody/esp32_sensor_data", True),  # nearly ours, also if somebody reads it
        ("a/client/reads", False),
    ],
)
def test_what_misses_its_topic(topic: str, misaddressed: bool) -> None:
    router = subscribed(subscription(), subscription("somebody/+", durable=False), subscription("stress/v1/somebody"))
    session = router.attach("client", None, Deaf(), clean=True)
    router.subscribe(session, "a/client/#", 0)
    missed = Subscription((), qos=0, durable=False, buffer=5)
    router.take_misaddressed(missed)
    router.offer(inbound(topic))
    assert len(missed) == misaddressed


def test_a_retained_message_may_be_read_later() -> None:
    router = Router()
    missed = Subscription((), qos=0, durable=False, buffer=5)
    router.take_misaddressed(missed)
    router.offer(inbound("nobody/here", retain=True))
    router.offer(inbound("stress/v1/alice/status", retain=True))
    router.offer(inbound("stress/v1/alice", retain=True))
    assert len(missed) == 2


def test_a_message_of_the_pipeline_is_never_misaddressed() -> None:
    async def main() -> None:
        router = Router()
        missed = Subscription((), qos=0, durable=False, buffer=5)
        router.take_misaddressed(missed)
        await router.publish("nobody/here", b"{}", 0, retain=False)
        assert len(missed) == 0

    asyncio.run(main())


class Deaf:
    """A client that reads nothing."""

    def flush(self) -> None:
        """Nothing to write."""

    def write_now(self, packet: bytes) -> bool:
        return bool(packet)

    def overflowed(self) -> None:
        """Nobody is told."""


def test_a_message_without_room_at_a_durable_subscriber_reaches_nobody() -> None:
    roomy, full = subscription(), subscription(buffer=1)
    router = subscribed(roomy, full)
    assert router.offer(inbound()) == 2
    assert router.offer(inbound(retain=True)) == Held(full)
    assert (len(roomy), len(full), len(router.retained)) == (1, 1, 0)


def test_who_subscribes_later_gets_what_comes_then() -> None:
    first, later = subscription(), subscription("#")
    router = subscribed(first)
    assert router.offer(inbound()) == 1
    router.subscribe_here(later)
    assert router.offer(inbound()) == 2
    assert (len(first), len(later)) == (2, 1)


def test_the_topics_that_are_remembered_are_bounded() -> None:
    router = subscribed(subscription("#", durable=False))
    for number in range(3):
        router.offer(inbound(f"t/{number}"))
    assert len(router._matched) == 3
    router._matched |= dict.fromkeys((f"x/{number}" for number in range(module.TOPICS_REMEMBERED)), ())
    assert router.offer(inbound("t/more")) == 0
    assert list(router._matched) == ["t/more"]
    assert len(router.local[0]) == 4


def test_a_long_topic_is_not_remembered() -> None:
    """Else a client could fill the memory with as many topics as are remembered, of 65,535 bytes each."""
    router = subscribed(subscription("#", durable=False))
    longest = "t" * module.LONGEST_REMEMBERED
    for topic in (longest, longest + "t"):
        router.offer(inbound(topic))
    assert list(router._matched) == [longest]
    assert len(router.local[0]) == 2
    assert len(SENSOR_DATA.topic("d" * MAX_DEVICE_ID)) < module.LONGEST_REMEMBERED


def test_a_message_has_the_parts_of_its_topic() -> None:
    async def main() -> None:
        taker = subscription("#")
        router = subscribed(taker)
        router.offer(inbound())
        router.offer(inbound("elsewhere"))
        [sample, other] = await taker.take(9)
        assert (sample.device_id, sample.channel, sample.valid_device) == ("alice", SENSOR_DATA, True)
        assert (other.device_id, other.channel, other.valid_device) == ("", None, False)

    asyncio.run(main())


def test_a_session_gets_only_what_its_client_may_receive() -> None:
    class Recipient:
        """A client that takes all."""

        def __init__(self) -> None:
            self.written: list[bytes] = []

        def flush(self) -> None:
            """Nothing waits."""

        def write_now(self, packet: bytes) -> bool:
            self.written.append(packet)
            return True

        def overflowed(self) -> None:
            """Never."""

    router, allowed, denied = Router(), Recipient(), Recipient()
    for name, recipient in (("admin", allowed), ("viewer", denied)):
        session: Session = router.attach(name, Identity(name, name), recipient, clean=True)  # type: ignore[arg-type]
        assert router.subscribe(session, TOPIC, 0)
    router.offer(inbound())
    assert (allowed.written, denied.written) == ([Outgoing(TOPIC, b"{}").plain()], [])
