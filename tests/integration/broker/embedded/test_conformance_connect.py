"""MQTT 3.1.1, sections 1 to 3.2, from the socket: strings, CONNECT and CONNACK."""

import asyncio
import string as letters
from collections.abc import Callable

import pytest

from broker.auth.identity import Credentials, Identity
from broker.contract import STRESS_ALERT
from tests.support.mqtt.aio import run
from tests.support.mqtt.conformance import Server, gone, send, served, serving, take
from tests.support.mqtt.wire import (
    CONNACK,
    DISCONNECT,
    PINGREQ,
    PINGRESP,
    SUBACK,
    acknowledge,
    connect,
    packet,
    publish,
    string,
    subscribe,
    unsubscribe,
)

UNACCEPTABLE_VERSION, IDENTIFIER_REJECTED, BAD_CREDENTIALS = 1, 2, 4
LAST_WILL = ("w/gone", b"gone")


def raw(flags: int, *fields: bytes) -> bytes:
    """A CONNECT with these flags and these fields, whether they belong together or not."""
    return packet(0x10, string("MQTT") + bytes((4, flags, 0, 0)) + b"".join(fields))


# --- strings


# Overlong, a surrogate, Latin-1, beyond U+10FFFF, cut off, U+0000.
BAD_TEXT = [b"\xc0\x80", b"a\xed\xa0\x80", b"caf\xe9", b"\xf4\x90\x80\x80", b"a\xe2\x82", b"a\0b"]
PLACES: dict[str, Callable[[bytes], bytes]] = {
    "client id": lambda text: raw(0x02, string(text)),
    "will topic": lambda text: raw(0x06, string("c"), string(text), string("x")),
    "user name": lambda text: raw(0x82, string("c"), string(text)),
    "PUBLISH": lambda text: connect() + packet(0x30, string(text) + b"x"),
    "SUBSCRIBE": lambda text: connect() + packet(0x82, b"\0\1" + string(text) + b"\0"),
    "UNSUBSCRIBE": lambda text: connect() + packet(0xA2, b"\0\1" + string(text)),
}


@pytest.mark.covers(
    "MQTT-1.5.3-1",
    "MQTT-1.5.3-2",
    "MQTT-3.1.3-4",
    "MQTT-3.1.3-10",
    "MQTT-3.1.3-11",
    "MQTT-3.3.2-1",
    "MQTT-3.8.3-1",
    "MQTT-3.10.3-1",
    "MQTT-4.7.3-2",
)
@pytest.mark.parametrize("place", PLACES)
@served()
async def test_text_that_is_not_utf8_or_has_a_null_closes(server: Server, place: str) -> None:
    for text in BAD_TEXT:
        sent = PLACES[place](text)
        client = await server.open(sent)
        if sent.startswith(connect()):
            await client.expect(CONNACK)
        await client.closed()


@pytest.mark.covers("MQTT-1.5.3-3", "MQTT-4.7.3-4")
@pytest.mark.parametrize("topic", ["\ufefft", "t\ufeff/a", "e\u0301", "\u00e9", "T", "t ", "\U0001f600", "\uffff", "t\x01"])
@served()
async def test_text_is_taken_as_it_is(server: Server, topic: str) -> None:
    """Neither a byte order mark nor a combining accent nor the case is changed, and no two topics are taken for one."""
    watcher = await server.watch((topic, 0))
    others = [one for one in ("t", "t/a", "e\u0301", "\u00e9") if one != topic]
    publisher = await server.join()
    for name in [*others, topic]:
        await send(publisher, name, qos=0)
    assert (await watcher.delivered()).topic == topic
    await watcher.alive()


# --- CONNECT


FIRST = {
    "PUBLISH": publish("t"),
    "PUBLISH at QoS 1": publish("t", qos=1),
    "SUBSCRIBE": subscribe(("t", 0)),
    "UNSUBSCRIBE": unsubscribe("t"),
    "PINGREQ": PINGREQ,
    "DISCONNECT": DISCONNECT,
    **{f"acknowledgement {kind}": acknowledge(kind, 1) for kind in (4, 5, 6, 7)},
}


@pytest.mark.covers("MQTT-3.1.0-1")
@served()
async def test_the_first_packet_must_be_a_connect(server: Server) -> None:
    watcher = await server.watch(("#", 0))
    for first in FIRST.values():
        client = await server.open(first, connect())
        await client.closed()
    await watcher.alive()


@pytest.mark.covers("MQTT-3.1.0-2")
@pytest.mark.parametrize("again", [connect("c"), connect("d")], ids=["same", "other"])
@served()
async def test_a_second_connect_closes_and_is_no_leave_taking(server: Server, again: bytes) -> None:
    watcher = await server.watch(("w/#", 0))
    client = await server.join(connect("c", will=LAST_WILL))
    client.send(again)
    await client.closed()
    assert await take(watcher) == (*LAST_WILL, 0)


CONNECTS = {
    "another protocol": connect(name="MQTX"),
    "lower case": connect(name="mqtt"),
    "the reserved flag": raw(0x03, string("c")),
    "a will without a topic": raw(0x06, string("c")),
    "a will without a message": raw(0x06, string("c"), string("t")),
    "a will with QoS 3": raw(0x1E, string("c"), string("t"), string("x")),
    "a will with an empty topic": raw(0x06, string("c"), string(""), string("x")),
    "a will with a wildcard": raw(0x06, string("c"), string("t/#"), string("x")),
    "QoS 1 of no will": raw(0x0A, string("c")),
    "QoS 2 of no will": raw(0x12, string("c")),
    "retain of no will": raw(0x22, string("c")),
    "the fields of no will": raw(0x02, string("c"), string("t"), string("x")),
    "no user name where one is announced": raw(0x82, string("c")),
    "a user name that is not announced": raw(0x02, string("c"), string("u")),
    "no password where one is announced": raw(0xC2, string("c"), string("u")),
    "a password that is not announced": raw(0x82, string("c"), string("u"), string("p")),
    "a password without a user name": raw(0x42, string("c"), string("p")),
    "no client identifier": raw(0x02),
    "a client identifier that ends too early": raw(0x02, b"\0\5ab"),
    "no keep alive": packet(0x10, string("MQTT") + b"\4\2"),
    "nothing": packet(0x10, b""),
    "flags in the fixed header": b"\x12" + connect()[1:],
}


@pytest.mark.covers(
    "MQTT-3.1.2-1",
    "MQTT-3.1.2-3",
    "MQTT-3.1.2-9",
    "MQTT-3.1.2-11",
    "MQTT-3.1.2-13",
    "MQTT-3.1.2-14",
    "MQTT-3.1.2-15",
    "MQTT-3.1.2-18",
    "MQTT-3.1.2-19",
    "MQTT-3.1.2-20",
    "MQTT-3.1.2-21",
    "MQTT-3.1.2-22",
    "MQTT-3.1.3-3",
    "MQTT-3.1.4-1",
)
@pytest.mark.parametrize("wrong", CONNECTS)
@served()
async def test_a_malformed_connect_closes_without_a_connack(server: Server, wrong: str) -> None:
    client = await server.open(CONNECTS[wrong])
    await client.closed()


@pytest.mark.covers("MQTT-3.1.2-2", "MQTT-3.2.2-4", "MQTT-3.2.2-5")
@pytest.mark.parametrize(("name", "level"), [("MQTT", 3), ("MQTT", 5), ("MQTT", 0), ("MQTT", 0x84), ("MQIsdp", 3)])
@served()
async def test_another_version_is_told_so_and_closed(server: Server, name: str, level: int) -> None:
    await gone(await server.join(connect("kept", clean=False)))
    client = await server.open(connect("kept", clean=False, name=name, level=level))
    assert (await client.expect(CONNACK)).body == bytes((0, UNACCEPTABLE_VERSION))
    await client.closed()


REFUSED = {
    "version": (connect("c", level=5, will=LAST_WILL), UNACCEPTABLE_VERSION),
    "no identifier": (connect("", clean=False, will=LAST_WILL), IDENTIFIER_REJECTED),
    "long identifier": (connect("c" * 257, will=LAST_WILL), IDENTIFIER_REJECTED),
}


@pytest.mark.covers("MQTT-3.1.4-5", "MQTT-3.1.3-8", "MQTT-3.1.3-9", "MQTT-3.2.2-4", "MQTT-3.2.2-5")
@pytest.mark.parametrize("why", REFUSED)
@served()
async def test_nothing_after_a_refused_connect_is_done(server: Server, why: str) -> None:
    sent, code = REFUSED[why]
    watcher = await server.watch(("#", 0))
    client = await server.open(sent, publish("t"), publish("t", qos=1), subscribe(("t", 0)))
    assert (await client.expect(CONNACK)).body == bytes((0, code))
    await client.closed()
    await watcher.alive()


@pytest.mark.covers("MQTT-3.2.2-6")
@served(max_connections=1)
async def test_where_no_return_code_fits_the_connection_is_closed_without_one(server: Server) -> None:
    first = await server.join()
    second = await server.open(connect())
    await second.closed()
    await first.alive()


@pytest.mark.covers("MQTT-3.1.3-1", "MQTT-3.1.2-19", "MQTT-3.1.2-21", "MQTT-3.1.3-2", "MQTT-3.1.3-11")
def test_the_fields_of_a_connect_are_read_in_their_order() -> None:
    shown: list[Credentials] = []

    def authenticate(credentials: Credentials) -> Identity | None:
        shown.append(credentials)
        return Identity("pipeline", "service") if credentials.password == b"\xff\0secret" else None

    topic = STRESS_ALERT.topic("someone")

    async def main() -> None:
        async with serving(authenticate=authenticate) as server:
            fields = [string(topic), string("w"), string("ü"), string(b"\xff\0secret")]
            watcher = await server.join(raw(0xCE, string("c"), *fields))
            assert await watcher.subscribed((topic, 1)) == b"\1"
            client = await server.join(raw(0xCE, string("d"), *fields))
            client.drop()
            assert await take(watcher) == (topic, b"w", 1)
            stranger = await server.open(connect("e", username="ü", password="other"))
            assert (await stranger.expect(CONNACK)).body == bytes((0, BAD_CREDENTIALS))
            await stranger.closed()

    run(main)
    assert {one.username for one in shown} == {"ü"}


IDENTIFIERS = ["0", "z", letters.digits + "abcdefghijklm", letters.ascii_lowercase[3:], letters.ascii_uppercase[3:], "ABC"]


@pytest.mark.covers("MQTT-3.1.3-5", "MQTT-3.1.4-4")
@served()
async def test_plain_identifiers_up_to_23_characters_are_allowed(server: Server) -> None:
    assert max(map(len, IDENTIFIERS)) == 23
    clients = [await server.join(connect(identifier)) for identifier in IDENTIFIERS]
    for client in clients:
        await client.alive()


@pytest.mark.covers("MQTT-3.1.3-6")
@served()
async def test_clients_without_an_identifier_are_told_apart(server: Server) -> None:
    one, other = await server.watch(("t", 0)), await server.watch(("t", 0))
    await send(one, "u", qos=0)
    await send(await server.join(), "t", qos=0)
    for client in (one, other):
        assert (await client.delivered()).topic == "t"


@pytest.mark.covers("MQTT-3.2.0-1")
@served()
async def test_a_connack_comes_before_all_else(server: Server) -> None:
    kept = await server.join(connect("kept", clean=False))
    await kept.subscribed(("t", 1))
    await gone(kept)
    await send(await server.join(), "t", qos=1)
    client = await server.open(connect("kept", clean=False), PINGREQ, subscribe(("u", 1)), PINGREQ)
    await client.expect(CONNACK)
    await client.delivered()
    for kind in (PINGRESP, SUBACK, PINGRESP):
        await client.expect(kind)


@pytest.mark.covers("MQTT-3.1.4-4")
@pytest.mark.parametrize("turns", range(5))
@pytest.mark.parametrize("clean", [True, False], ids=["clean", "kept"])
@served()
async def test_a_client_that_left_before_its_connack_may_come_back(server: Server, clean: bool, turns: int) -> None:
    client = await server.open(connect("c", clean=clean))
    for _ in range(turns):
        await asyncio.sleep(0)
    client.drop()
    await asyncio.sleep(0.05)
    await (await server.join(connect("c", clean=clean))).alive()


@pytest.mark.covers("MQTT-3.2.2-3")
@served()
async def test_clients_that_leave_before_their_connack_leave_nothing_uncounted(server: Server) -> None:
    """The limit on sessions counts those of the router; a session that amqtt alone knows would escape it."""
    for number in range(20):
        client = await server.open(connect(f"c{number}", clean=False))
        client.drop()
    await asyncio.sleep(0.1)
    context = server.bus._running()
    assert set(context.amqtt.sessions) <= set(context.router.sessions)
    assert not context.registry.sessions
