"""Who may do what: the rule as a table, and the same table over real sockets."""

import itertools
from collections.abc import Awaitable, Callable

import pytest

from broker.auth.acl import may_publish, may_receive, may_retain, may_subscribe
from broker.auth.identity import Identity
from broker.contract import CHANNELS, SENSOR_DATA, Role
from broker.embedded.bus import EmbeddedBus
from tests.support.mqtt import wire
from tests.support.mqtt.aio import run
from tests.support.mqtt.logins import PASSWORD, authenticate
from tests.support.mqtt.wire import PUBACK, Client, Delivered

ALICE = Identity("alice", "device")
NAMES = [channel.name.value for channel in CHANNELS]
DEVICE_SENDS = {"esp32_sensor_data", "device_status", "command_result"}
ALL = {
    "esp32_sensor_data",
    "data_received",
    "new_sensor_data",
    "stress_alert",
    "device_status",
    "device_command",
    "command_result",
}
MAY_READ: dict[Role, set[str]] = {
    "device": {"data_received", "device_command"},
    "viewer": {"new_sensor_data", "stress_alert", "device_status"},
    "operator": {"new_sensor_data", "stress_alert", "device_status", "device_command", "command_result"},
    "admin": ALL,
    "service": ALL,
}


def topic(device: str, name: str) -> str:
    return f"stress/v1/{device}/{name}"


# --- the rule


@pytest.mark.parametrize("name", NAMES)
def test_a_device_publishes_what_devices_send_and_only_as_itself(name: str) -> None:
    assert may_publish(ALICE, topic("alice", name)) is (name in DEVICE_SENDS)
    for other in ("bob", "alice2", "Alice", "+", "#", "alice/x", "", "unknown"):
        assert not may_publish(ALICE, topic(other, name))


@pytest.mark.parametrize(("role", "name"), list(itertools.product(MAY_READ, NAMES)))
def test_who_reads_what(role: Role, name: str) -> None:
    who, readable = Identity("alice", role), name in MAY_READ[role]
    assert may_receive(who, topic("alice", name)) is readable
    assert may_subscribe(who, topic("alice", name)) is readable
    for_others = readable and role != "device"
    assert may_receive(who, topic("bob", name)) is for_others
    assert may_subscribe(who, topic("bob", name)) is for_others
    assert may_subscribe(who, topic("+", name)) is for_others


@pytest.mark.parametrize("role", ["viewer", "operator", "admin"])
def test_people_publish_nothing(role: Role) -> None:
    assert not any(may_publish(Identity("alice", role), topic("alice", name)) for name in NAMES)


def test_a_service_publishes_every_channel_and_nothing_else() -> None:
    service = Identity("sam", "service")
    assert all(may_publish(service, topic("anybody", name)) for name in NAMES)
    assert not any(may_publish(service, one) for one in ("t", "$SYS/x", topic("a/b", NAMES[0]), topic("a", "other")))


WIDE = [
    "#",
    "+",
    "+/#",
    "stress/#",
    "stress/v1/#",
    "stress/v1/+/+",
    "stress/v1/+/#",
    "stress/v1/alice/#",
    "stress/v1/alice/+",
]
STRANGE = ["$SYS/#", "$share/g/stress/v1/alice/data_received", "stress/v1/alice", "stress/v1//data_received", "t", "/"]


@pytest.mark.parametrize(("role", "asked"), list(itertools.product(MAY_READ, WIDE + STRANGE)))
def test_a_filter_that_asks_for_more_than_may_be_read_is_refused(role: Role, asked: str) -> None:
    assert not may_subscribe(Identity("alice", role), asked)


def test_without_logins_everything_but_system_topics_is_open() -> None:
    for one in ("t", topic("alice", NAMES[0]), "/", "a/$b"):
        assert may_publish(None, one)
        assert may_receive(None, one)
        assert may_subscribe(None, one)
    for one in ("$SYS/x", "$share/g/t", "$"):
        assert not may_publish(None, one)
        assert not may_receive(None, one)
        assert not may_subscribe(None, one)
    assert may_subscribe(None, "#")


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name.value)
def test_health_data_is_never_retained(channel: object) -> None:
    name = channel.name.value  # type: ignore[attr-defined]
    assert may_retain(topic("alice", name)) is (name == "device_status")
    assert may_retain("elsewhere")


# --- the same over sockets: {own, sibling, wildcard, $SYS} times {publish, subscribe, will, retain, receive}

TARGETS = {"own": "alice", "sibling": "bob", "wildcard": "+", "system": "$SYS"}
READ, SENT = "data_received", "device_status"
SENTINEL = b"sentinel"


def target_topic(target: str, name: str) -> str:
    return "$SYS/broker/uptime" if target == "system" else topic(TARGETS[target], name)


def login(name: str, **options: object) -> bytes:
    return wire.connect(name, username=name, password=PASSWORD, **options)  # type: ignore[arg-type]


async def closes(client: Client) -> bool:
    """Whether the connection ends; one that stays answers a PINGREQ."""
    client.send(wire.PINGREQ)
    try:
        while (await client.read()).kind != wire.PINGRESP:
            pass
    except (EOFError, ConnectionError):
        return True
    return False


async def next_after(client: Client, port: int, topic_: str) -> Delivered:
    """What a client is sent next: `SENTINEL`, which a service publishes now, unless something else came before."""
    async with await Client.join(port, login("sam")) as sam:
        sam.send(wire.publish(topic_, SENTINEL, qos=1))
        await sam.expect(PUBACK)
        return await client.delivered()


async def publishes(port: int, target: str) -> bool:
    async with await Client.join(port, login("vera")) as vera, await Client.join(port, login("alice")) as alice:
        await vera.subscribed((topic("+", SENT), 1))
        alice.send(wire.publish(target_topic(target, SENT), b"on", qos=1))
        closed = await closes(alice)
        came = (await next_after(vera, port, topic("zoe", SENT))).payload != SENTINEL
        assert closed is not came
        return came


async def subscribes(port: int, target: str) -> bool:
    async with await Client.join(port, login("alice")) as alice:
        return await alice.subscribed((target_topic(target, READ), 1)) != b"\x80"


async def leaves_a_will(port: int, target: str) -> bool:
    async with await Client.join(port, login("vera")) as vera, await Client.open(port) as alice:
        await vera.subscribed((topic("+", SENT), 1))
        alice.send(login("alice", will=(target_topic(target, SENT), b"gone")))
        if await closes(alice):
            await vera.quiet()
            return False
        alice.drop()
        return (await vera.delivered()).payload == b"gone"


async def retains(port: int, target: str) -> bool:
    async with await Client.join(port, login("alice")) as alice:
        alice.send(wire.publish(target_topic(target, SENT), b"kept", qos=1, retain=True))
        await closes(alice)
    async with await Client.join(port, login("vera")) as vera:
        await vera.subscribed((topic("+", SENT), 1))
        return (await next_after(vera, port, topic("zoe", SENT))).retain


async def receives(port: int, target: str) -> bool:
    """Alice subscribes to all that she can; who sends is a service, which may use every channel."""
    async with await Client.join(port, login("alice")) as alice, await Client.join(port, login("sam")) as sam:
        await alice.subscribed((target_topic(target, READ), 1), (topic("alice", READ), 1), ("#", 1), ("$SYS/#", 1))
        sam.send(wire.publish(target_topic("sibling" if target == "wildcard" else target, READ), b"told", qos=1))
        await closes(sam)
        return (await next_after(alice, port, topic("alice", READ))).payload == b"told"


DEEDS = [publishes, subscribes, leaves_a_will, retains, receives]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.__name__)
def test_a_device_reaches_its_own_topics_and_no_others(deed: Callable[[int, str], Awaitable[bool]], target: str) -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, authenticate=authenticate) as bus:
            await bus.open()
            assert await deed(bus.port, target) is (target == "own")

    run(main)


def test_a_sample_is_not_retained_though_the_client_asks() -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, authenticate=authenticate) as bus:
            await bus.open()
            async with await Client.join(bus.port, login("alice")) as alice:
                alice.send(wire.publish(SENSOR_DATA.topic("alice"), b"{}", qos=1, retain=True))
                await alice.expect(PUBACK)
            async with await Client.join(bus.port, login("ada")) as ada:
                await ada.subscribed((SENSOR_DATA.topic("+"), 1))
                assert not (await next_after(ada, bus.port, SENSOR_DATA.topic("zoe"))).retain

    run(main)


def test_revoking_ends_the_live_connection_its_session_and_nobody_elses() -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, authenticate=authenticate) as bus:
            await bus.open()
            async with (
                await Client.join(bus.port, login("alice", clean=False)) as alice,
                await Client.join(bus.port, login("bob", clean=False)) as bob,
            ):
                await alice.subscribed((topic("alice", READ), 1))
                bus.revoke("alice")
                bus.revoke("nobody")
                await alice.closed()
                await bob.alive()
            async with await Client.open(bus.port) as alice:
                alice.send(login("alice", clean=False))
                assert (await alice.expect(wire.CONNACK)).body == b"\x00\x00"  # there is no session of before

    run(main)
