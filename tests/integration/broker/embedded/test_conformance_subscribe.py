"""MQTT 3.1.1, sections 2.2, 3.8 to 3.14, 4.7 and 4.8, from the socket: subscriptions, filters, flags, protocol errors."""

import asyncio

import pytest

from broker.protocol.packet_types import Type
from tests.support.mqtt.conformance import Server, send, served, take
from tests.support.mqtt.wire import (
    CONNACK,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBACK,
    UNSUBACK,
    acknowledge,
    connect,
    packet,
    publish,
    string,
    subscribe,
    unsubscribe,
)

IDENTIFIER = b"\0\1"

# --- flags and protocol errors


@pytest.mark.covers("MQTT-2.2.2-1", "MQTT-2.3.1-7", "MQTT-3.12.4-1")
@served()
async def test_what_the_broker_sends_has_the_flags_and_identifiers_that_are_due(server: Server) -> None:
    client = await server.open(connect())
    for sent, kind, body in [
        (b"", CONNACK, b"\0\0"),
        (subscribe(("t", 2), packet_id=0x1234), SUBACK, b"\x12\x34\2"),
        (unsubscribe("t", packet_id=0xFFFF), UNSUBACK, b"\xff\xff"),
        (publish("t", qos=1, packet_id=0x0100), PUBACK, b"\1\0"),
        (publish("t", qos=2, packet_id=0x00FF), PUBREC, b"\0\xff"),
        (acknowledge(PUBREL, 0x00FF), PUBCOMP, b"\0\xff"),
        (acknowledge(PUBREC, 0x8000), PUBREL, b"\x80\0"),
        (PINGREQ, PINGRESP, b""),
    ]:
        client.send(sent)
        assert await client.read() == (kind, 2 if kind == PUBREL else 0, body)


WHOLE = {
    Type.PUBACK: IDENTIFIER,
    Type.PUBREC: IDENTIFIER,
    Type.PUBREL: IDENTIFIER,
    Type.PUBCOMP: IDENTIFIER,
    Type.SUBSCRIBE: IDENTIFIER + string("t") + b"\0",
    Type.UNSUBSCRIBE: IDENTIFIER + string("t"),
    Type.PINGREQ: b"",
    Type.DISCONNECT: b"",
}


@pytest.mark.covers("MQTT-2.2.2-2", "MQTT-3.6.1-1", "MQTT-3.8.1-1", "MQTT-3.10.1-1", "MQTT-3.14.1-1", "MQTT-4.8.0-1")
@pytest.mark.parametrize("kind", WHOLE, ids=lambda kind: kind.name)
@served()
async def test_flags_that_are_not_the_reserved_ones_close(server: Server, kind: Type) -> None:
    right = 2 if kind in (Type.PUBREL, Type.SUBSCRIBE, Type.UNSUBSCRIBE) else 0
    for flags in set(range(16)) - {right}:
        client = await server.join()
        client.send(packet(kind << 4 | flags, WHOLE[kind]), PINGREQ)
        await client.closed()


ERRORS = {
    "QoS 3": packet(0x36, string("t") + IDENTIFIER),
    "DUP at QoS 0": packet(0x38, string("t")),
    "no identifier at QoS 1": packet(0x32, string("t")),
    "identifier 0 at QoS 1": publish("t", qos=1, packet_id=0),
    "identifier 0 at QoS 2": publish("t", qos=2, packet_id=0),
    "a SUBSCRIBE with identifier 0": subscribe(("t", 0), packet_id=0),
    "an UNSUBSCRIBE with identifier 0": unsubscribe("t", packet_id=0),
    "a PUBACK with identifier 0": acknowledge(PUBACK, 0),
    "a PUBACK without an identifier": packet(0x40, b"\0"),
    "a PUBACK with a payload": packet(0x40, IDENTIFIER + b"x"),
    "a # in a topic": publish("t/#"),
    "a + in a topic": publish("t+"),
    "an empty topic": publish(""),
    "no topic": packet(0x30, b""),
    "a topic that ends too early": packet(0x30, b"\0\5t"),
    "a null in a topic": publish("t\0"),
    "no filter": packet(0x82, IDENTIFIER),
    "no filter to remove": packet(0xA2, IDENTIFIER),
    "an empty filter": subscribe(("", 0)),
    "an empty filter to remove": unsubscribe(""),
    "a second filter that is empty": subscribe(("t", 0), ("", 0)),
    "a filter without QoS": packet(0x82, IDENTIFIER + string("t")),
    "a filter with QoS 3": subscribe(("t", 3)),
    "a filter with reserved bits": subscribe(("t", 0), ("u", 0x80)),
    "a PINGREQ with a payload": packet(0xC0, b"x"),
    "a DISCONNECT with a payload": packet(0xE0, b"x"),
    "a remaining length of five bytes": b"\xc0\x80\x80\x80\x80\x01",
    "packet type 0": b"\0\0",
    "packet type 15": b"\xf0\0",
    "a CONNACK": packet(0x20, b"\0\0"),
    "a SUBACK": packet(0x90, IDENTIFIER + b"\0"),
    "an UNSUBACK": packet(0xB0, IDENTIFIER),
    "a PINGRESP": packet(0xD0, b""),
}


@pytest.mark.covers(
    "MQTT-2.3.1-1",
    "MQTT-3.3.1-2",
    "MQTT-3.3.1-4",
    "MQTT-3.3.2-1",
    "MQTT-3.3.2-2",
    "MQTT-3.8.3-3",
    "MQTT-3.8.3-4",
    "MQTT-3.10.3-2",
    "MQTT-4.7.1-1",
    "MQTT-4.7.3-1",
    "MQTT-4.7.3-2",
    "MQTT-4.8.0-1",
)
@pytest.mark.parametrize("wrong", ERRORS)
@served()
async def test_a_protocol_error_closes_and_nothing_after_it_is_done(server: Server, wrong: str) -> None:
    watcher = await server.watch(("#", 0))
    client = await server.join()
    client.send(ERRORS[wrong], publish("t"))
    await client.closed()
    await watcher.alive()


@pytest.mark.covers("MQTT-4.8.0-1")
@pytest.mark.parametrize(("qos", "answer"), [(1, PUBREC), (1, PUBCOMP), (2, PUBACK)])
@served()
async def test_an_acknowledgement_of_another_qos_closes(server: Server, qos: int, answer: int) -> None:
    client = await server.watch(("t", 2))
    await send(await server.join(), "t", qos=qos)
    client.send(acknowledge(answer, (await client.delivered()).packet_id))
    await client.closed()


@pytest.mark.covers("MQTT-4.8.0-1")
@served()
async def test_packets_may_come_in_any_pieces(server: Server) -> None:
    stream = connect() + subscribe(("t", 0)) + publish("t", b"x" * 300) + b"\xc0\x80\x00" + PINGREQ
    for size in (1, 3, len(stream)):
        client = await server.open()
        for start in range(0, len(stream), size):
            client.send(stream[start : start + size])
            await asyncio.sleep(0)
        for kind in (CONNACK, SUBACK, PUBLISH, PINGRESP, PINGRESP):
            await client.expect(kind)


@pytest.mark.covers("MQTT-3.14.4-3")
@served()
async def test_the_broker_closes_after_a_disconnect(server: Server) -> None:
    watcher = await server.watch(("t", 0))
    client = await server.join()
    client.send(DISCONNECT, publish("t"))
    await client.closed()
    await watcher.alive()


# --- SUBSCRIBE


@pytest.mark.covers(
    "MQTT-3.8.4-1", "MQTT-3.8.4-2", "MQTT-3.8.4-4", "MQTT-3.8.4-5", "MQTT-3.9.3-1", "MQTT-3.9.3-2", "MQTT-2.3.1-7"
)
@served()
async def test_one_suback_has_a_return_code_for_each_filter_in_their_order(server: Server) -> None:
    await send(await server.join(), "b", b"kept", qos=1, retain=True)
    client = await server.join()
    client.send(subscribe(("a", 2), ("b/#/c", 0), ("b", 1), ("b+", 2), ("c", 0), ("c", 1), packet_id=0x0102))
    assert (await client.expect(SUBACK)).body == b"\1\2" + b"\2\x80\1\x80\0\1"
    assert await take(client) == ("b", b"kept", 1)
    publisher = await server.join()
    for topic, qos in (("a", 2), ("b", 1), ("c", 1)):
        await send(publisher, topic, qos=2)
        assert await take(client) == (topic, b"x", qos)


@pytest.mark.covers("MQTT-3.8.4-3", "MQTT-3.3.1-6")
@served()
async def test_the_same_filter_again_replaces_the_subscription_and_brings_what_is_retained(server: Server) -> None:
    publisher = await server.join()
    await send(publisher, "t/a", b"kept", qos=2, retain=True)
    client = await server.join()
    for qos in (2, 0, 1):
        assert await client.subscribed(("t/#", qos)) == bytes((qos,))
        found = await client.delivered()
        assert (found.payload, found.qos, found.retain) == (b"kept", qos, True)
        await send(publisher, "t/b", qos=2)
        assert (await client.delivered())[:3] == ("t/b", b"x", qos)
    await client.alive()


@pytest.mark.covers("MQTT-3.8.4-3")
@served()
async def test_subscribing_again_interrupts_nothing(server: Server) -> None:
    client = await server.watch(("t", 0))
    publisher = await server.join()
    for number in range(200):
        publisher.send(publish("t", str(number).encode()))
        if number % 10 == 0:
            client.send(subscribe(("t", 0)))
            await asyncio.sleep(0)
    found: list[int] = []
    while len(found) < 200:
        one = await client.read()
        if one.kind == PUBLISH:
            found.append(int(one.body[3:]))
    assert found == list(range(200))


@pytest.mark.covers("MQTT-3.3.5-1")
@served()
async def test_overlapping_subscriptions_bring_the_highest_qos(server: Server) -> None:
    """One copy: the standard leaves the number to the server."""
    client = await server.watch(("t/a", 0), ("t/+", 2), ("#", 1), ("+/a", 0))
    publisher = await server.join()
    for topic, qos in (("t/a", 2), ("t/b", 2), ("u", 1)):
        await send(publisher, topic, qos=2)
        assert await take(client) == (topic, b"x", qos)
    await client.alive()


# --- UNSUBSCRIBE


@pytest.mark.covers("MQTT-3.10.4-1", "MQTT-3.10.4-2", "MQTT-3.10.4-4", "MQTT-3.10.4-5", "MQTT-3.10.4-6", "MQTT-2.3.1-7")
@served()
async def test_an_unsubscribe_removes_the_filters_that_are_the_same_and_no_others(server: Server) -> None:
    client = await server.watch(("t/+", 0), ("t/a", 0), ("u/#", 0), ("v", 0))
    publisher = await server.join()
    client.send(unsubscribe("t/#", "+/+", "V", "v/", "u/+", packet_id=5))
    assert (await client.expect(UNSUBACK)).body == b"\0\5"
    for topic in ("t/a", "t/b", "u/c", "v"):
        await send(publisher, topic, qos=0)
        assert (await client.delivered()).topic == topic
    client.send(unsubscribe("t/+", "nothing", "v", packet_id=6))
    assert (await client.expect(UNSUBACK)).body == b"\0\6"
    for topic in ("t/a", "t/b", "u/c", "v"):
        await send(publisher, topic, qos=0)
    assert [(await client.delivered()).topic for _ in range(2)] == ["t/a", "u/c"]
    await client.alive()


# --- topics and filters


MATCHES = [
    ("sport/tennis/player1/#", "sport/tennis/player1", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
    ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
    ("sport/tennis/player1/#", "sport/tennis/player12", False),
    ("sport/#", "sport", True),
    ("#", "/", True),
    ("#", "a/b", True),
    ("/#", "/a", True),
    ("/#", "a", False),
    ("sport/tennis/+", "sport/tennis/player1", True),
    ("sport/tennis/+", "sport/tennis/player1/ranking", False),
    ("sport/+", "sport", False),
    ("sport/+", "sport/", True),
    ("+", "a", True),
    ("+", "/a", False),
    ("+/+", "/finance", True),
    ("/+", "/finance", True),
    ("+/b/+", "a/b/c", True),
    ("+/b/#", "a/b", True),
    ("a//b", "a//b", True),
    ("a/+/b", "a//b", True),
    ("a//b", "a/b", False),
    ("Accounts", "ACCOUNTS", False),
    ("Accounts payable", "Accounts payable", True),
    ("a", "a/", False),
    ("a/#", "b", False),
]


@pytest.mark.covers("MQTT-3.3.2-3", "MQTT-3.8.3-2", "MQTT-4.7.1-2", "MQTT-4.7.1-3", "MQTT-4.7.3-4")
@served()
async def test_filters_take_the_topics_that_they_should(server: Server) -> None:
    """Both live and retained messages."""
    publisher = await server.join()
    for topic_filter, topic, takes in MATCHES:
        watcher = await server.watch((topic_filter, 0))
        await send(publisher, topic, qos=0, retain=True)
        late = await server.join()
        late.send(subscribe((topic_filter, 0)), subscribe(("end", 0), packet_id=2))
        await late.expect(SUBACK)
        for client in (watcher, late) if takes else ():
            assert (await client.delivered()).topic == topic, (topic_filter, topic)
        await watcher.alive()
        await late.expect(SUBACK, 2)
        await send(publisher, topic, b"", qos=0, retain=True)


WRONG_FILTERS = ["a#", "#a", "a/#/b", "#/", "a/b#", "##", "a+", "+a", "a/b+/c", "++", "a/+b"]


@pytest.mark.covers("MQTT-4.7.1-2", "MQTT-4.7.1-3", "MQTT-3.9.3-2")
@served()
async def test_a_wildcard_that_is_not_a_whole_level_is_refused(server: Server) -> None:
    client = await server.join()
    assert await client.subscribed(*((one, 1) for one in WRONG_FILTERS)) == b"\x80" * len(WRONG_FILTERS)
    await client.alive()


@pytest.mark.covers("MQTT-4.7.2-1")
@served()
async def test_a_filter_that_begins_with_a_wildcard_takes_no_system_topic(server: Server) -> None:
    client = await server.watch(("#", 0), ("+/x", 0), ("+/#", 0))
    await server.bus.publish("$SYS/x", b"system", retain=True)
    late = await server.watch(("#", 0), ("+/x", 0))
    for watcher in (client, late):
        await watcher.alive()


@pytest.mark.covers("MQTT-4.7.3-3")
@served()
async def test_a_topic_may_have_65535_bytes(server: Server) -> None:
    topic = "ü" * 32_767 + "a"
    client = await server.watch((topic, 1))
    await send(await server.join(), topic, qos=1)
    assert await take(client) == (topic, b"x", 1)


@pytest.mark.covers("MQTT-3.12.4-1")
@served()
async def test_every_pingreq_is_answered(server: Server) -> None:
    client = await server.join()
    client.send(PINGREQ * 20)
    for _ in range(20):
        assert await client.expect(PINGRESP) == (PINGRESP, 0, b"")
