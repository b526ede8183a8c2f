"""Where the embedded broker does otherwise than MQTT 3.1.1 lets expect; docs/mqtt-conformance.md says why."""

import asyncio
import time

import pytest

from broker.auth.connect_policy import MAX_CLIENT_ID
from broker.auth.identity import Credentials, Identity
from broker.contract import CHANNELS, STRESS_ALERT
from broker.embedded.amqtt_adapter import SESSION_EXPIRY_S
from broker.embedded.connection import MAX_PACKET
from broker.embedded.router import MAX_FILTER_BYTES, RETAINED_TOPICS
from broker.embedded.session import QUEUED
from broker.protocol.packets_in import MAX_FILTERS as MAX_FILTERS_IN_PACKET
from broker.protocol.topic_filters import MAX_LEVELS, cost_bytes
from tests.support.mqtt.aio import run
from tests.support.mqtt.conformance import Server, gone, send, served, serving, take
from tests.support.mqtt.wire import CONNACK, SUBACK, UNSUBACK, connect, publish, subscribe, unsubscribe

KEPT = connect("kept", clean=False)
NOT_RETAINED = [channel.topic("someone") for channel in CHANNELS if not channel.retained]
DEEP = "/".join("d" * MAX_LEVELS)


@pytest.mark.parametrize("topic", NOT_RETAINED)
@served()
async def test_health_data_is_not_retained(server: Server, topic: str) -> None:
    publisher = await server.join()
    await send(publisher, topic, b"health", qos=1, retain=True)
    watcher = await server.watch((topic, 1))
    await watcher.alive()
    (await server.join(connect(will=(topic, b"will"), will_retain=True))).drop()
    assert (await take(watcher))[1] == b"will"
    await (await server.watch((topic, 1))).alive()


@served()
async def test_retained_topics_beyond_the_limit_are_not_kept(server: Server) -> None:
    publisher = await server.join()
    for first in range(0, RETAINED_TOPICS, 1_000):
        publisher.send(*(publish(f"r/{number}", retain=True) for number in range(first, first + 1_000)))
        await publisher.alive()
    await send(publisher, "late", qos=1, retain=True)
    await (await server.watch(("late", 0))).alive()
    await send(publisher, "r/0", b"", qos=1, retain=True)
    await send(publisher, "late", qos=1, retain=True)
    assert await take(await server.watch(("late", 0))) == ("late", b"x", 0)


@served()
async def test_a_session_that_is_not_used_for_a_day_ends(server: Server) -> None:
    await gone(await server.join(KEPT))
    await gone(await server.join(connect("fresh", clean=False)))
    await asyncio.sleep(0.05)
    engine = server.bus._running().amqtt
    for name, ago_s in (("kept", SESSION_EXPIRY_S + 2), ("fresh", SESSION_EXPIRY_S - 60)):
        engine.sessions[name][0].last_disconnect_time = int(time.time()) - ago_s
    await engine.expire()
    for sent, kept in ((KEPT, False), (connect("fresh", clean=False), True)):
        _, present = await server.present(sent)
        assert present is kept


def test_a_session_does_not_outlive_the_broker() -> None:
    async def main() -> None:
        async with serving() as server:
            await gone(await server.join(KEPT))
        async with serving() as server:
            _, present = await server.present(KEPT)
            assert not present

    run(main)


@served()
async def test_of_too_many_messages_for_one_that_is_away_the_oldest_are_dropped(server: Server) -> None:
    client = await server.join(KEPT)
    await client.subscribed(("t", 1))
    await gone(client)
    publisher = await server.join()
    count = QUEUED.messages + 100
    for number in range(count):
        await send(publisher, "t", str(number).encode(), qos=1)
    client = await server.join(KEPT)
    found = [int((await take(client))[1]) for _ in range(QUEUED.messages)]
    assert found == list(range(100, count))
    await client.alive()
    assert server.bus.dropped == 100


@served()
async def test_a_client_that_acknowledges_nothing_is_cut_off(server: Server) -> None:
    client = await server.watch(("t", 1))
    publisher = await server.join()
    for _ in range(QUEUED.messages + 101):
        await send(publisher, "t", qos=1)
    for _ in range(100):
        await client.delivered()
    await client.closed()


@served()
async def test_a_will_is_lost_where_a_durable_subscriber_has_no_room(server: Server) -> None:
    full = server.bus.subscribe(["t"], qos=1, durable=True, buffer=1)
    watcher = await server.watch(("t", 0))
    await send(await server.join(), "t", qos=0)
    await take(watcher)
    (await server.join(connect(will=("t", b"gone")))).drop()
    await asyncio.sleep(0.1)
    await watcher.alive()
    assert server.bus.counters.lost_wills == 1
    assert len(full) == 1


@pytest.mark.parametrize("refused", [f"{DEEP}/d", f"{DEEP}/#", "$SYS/#", "$SYS/x", "$share/group/t", "$"])
@served()
async def test_filters_that_are_refused(server: Server, refused: str) -> None:
    client = await server.join()
    assert await client.subscribed((refused, 1), (DEEP, 1), ("t", 0)) == b"\x80\1\0"
    await send(await server.join(), DEEP, qos=1)
    assert await take(client) == (DEEP, b"x", 1)


@served()
async def test_filters_beyond_the_limit_of_a_session_are_refused(server: Server) -> None:
    client, codes = await server.join(), b""
    size = 50_000
    fit = MAX_FILTER_BYTES // cost_bytes("f" * size)
    for number in range(fit + 1):
        client.send(subscribe((str(number).rjust(size, "f"), 1)))
        codes += (await client.expect(SUBACK)).body[2:]
    assert codes == b"\1" * fit + b"\x80"


@pytest.mark.parametrize("kind", ["subscribe", "unsubscribe"])
@served()
async def test_a_packet_of_too_many_filters_closes(server: Server, kind: str) -> None:
    for count in (MAX_FILTERS_IN_PACKET, MAX_FILTERS_IN_PACKET + 1):
        client = await server.join()
        filters = [f"t/{number}" for number in range(count)]
        client.send(subscribe(*((one, 0) for one in filters)) if kind == "subscribe" else unsubscribe(*filters))
        if count > MAX_FILTERS_IN_PACKET:
            await client.closed()
        else:
            await client.expect(SUBACK if kind == "subscribe" else UNSUBACK)


@pytest.mark.parametrize("topic", ["$SYS/x", "$x", f"{DEEP}/d"])
@pytest.mark.parametrize("qos", [0, 1, 2])
@served()
async def test_topics_on_which_a_publish_closes(server: Server, topic: str, qos: int) -> None:
    client = await server.join()
    client.send(publish(topic, qos=qos))
    await client.closed()


@pytest.mark.parametrize("topic", ["$SYS/x", f"{DEEP}/d"])
@served()
async def test_topics_on_which_a_will_is_refused(server: Server, topic: str) -> None:
    """A will is bounded like a publish: each level of a retained one costs a node of a tree."""
    client = await server.open(connect(will=(topic, b"x"), will_retain=True))
    answer = await client.expect(CONNACK)
    assert answer.body == b"\0\5"
    await client.closed()


@pytest.mark.parametrize("level", [3, 5])
@served()
async def test_other_versions_are_refused(server: Server, level: int) -> None:
    client = await server.open(connect(level=level, name="MQIsdp" if level == 3 else "MQTT"))
    assert (await client.expect(CONNACK)).body == b"\0\1"
    await client.closed()


@served()
async def test_long_client_identifiers_are_refused(server: Server) -> None:
    await server.join(connect("ü" * MAX_CLIENT_ID))
    client = await server.open(connect("c" * (MAX_CLIENT_ID + 1)))
    assert (await client.expect(CONNACK)).body == b"\0\2"
    await client.closed()


@served()
async def test_long_packets_close(server: Server) -> None:
    watcher = await server.watch(("t", 0))
    client = await server.join()
    await send(client, "t", b"x" * (MAX_PACKET - 3), qos=0)
    assert len((await take(watcher))[1]) == MAX_PACKET - 3
    client.send(publish("t", b"x" * (MAX_PACKET - 2)))
    await client.closed()


LOGINS = {"one": Identity("one", "operator"), "two": Identity("two", "viewer")}


def login(credentials: Credentials) -> Identity | None:
    return LOGINS.get(credentials.username or "")


@served(authenticate=login)
async def test_a_client_identifier_belongs_to_its_login(server: Server) -> None:
    one = await server.join(connect("c", clean=False, username="one"))
    two, present = await server.present(connect("c", clean=False, username="two"))
    assert not present
    await one.alive()
    await two.alive()


@served(authenticate=login)
async def test_a_filter_that_asks_for_more_than_is_permitted_is_refused_whole(server: Server) -> None:
    client = await server.join(connect(username="two"))
    alerts = STRESS_ALERT.topic("+")
    assert await client.subscribed(("#", 1), ("stress/v1/#", 1), (alerts, 1), ("other", 1)) == b"\x80\x80\1\x80"
    await server.bus.publish(STRESS_ALERT.topic("someone"), b"alert", qos=1)
    assert (await client.delivered()).topic == STRESS_ALERT.topic("someone")
