"""MQTT 3.1.1, sections 3.1.2 and 4.1, from the socket: sessions, take-over, wills, keep alive."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.mqtt.conformance import Server, gone, send, served, take
from tests.support.mqtt.wire import (
    DISCONNECT,
    PINGREQ,
    Client,
    connect,
    publish,
    subscribe,
    unsubscribe,
)

LAST_WILL = ("w/gone", b"gone")


# --- sessions


@pytest.mark.covers(
    "MQTT-3.1.2-4", "MQTT-3.1.2-5", "MQTT-3.1.3-2", "MQTT-3.2.2-2", "MQTT-3.2.2-3", "MQTT-4.1.0-1", "MQTT-4.5.0-1"
)
@pytest.mark.parametrize("abrupt", [False, True], ids=["DISCONNECT", "reset"])
@served()
async def test_a_session_outlives_its_connection(server: Server, abrupt: bool) -> None:
    client, present = await server.present(connect("kept", clean=False))
    assert not present
    assert await client.subscribed(("t/#", 2), ("u", 1), ("v", 0)) == b"\2\1\0"
    if abrupt:
        client.drop()
        await asyncio.sleep(0.05)
    else:
        await gone(client)
    publisher = await server.join()
    for number, (topic, qos) in enumerate([("t/1", 1), ("t/2", 2), ("u", 2), ("other", 2)], 1):
        await send(publisher, topic, qos=qos, packet_id=number)
    await gone(publisher)
    client, present = await server.present(connect("kept", clean=False))
    assert present
    found = [await client.delivered() for _ in range(3)]
    assert [(one.topic, one.payload, one.qos) for one in found] == [("t/1", b"x", 1), ("t/2", b"x", 2), ("u", b"x", 1)]
    await client.alive()
    await send(await server.join(), "v", qos=1)
    assert await take(client) == ("v", b"x", 0)


@pytest.mark.covers("MQTT-3.1.2-6", "MQTT-3.1.4-3", "MQTT-3.2.2-1", "MQTT-3.2.2-3")
@served()
async def test_a_clean_session_ends_the_one_before_and_leaves_nothing(server: Server) -> None:
    client = await server.join(connect("c", clean=False))
    await client.subscribed(("t", 1))
    await send(await server.join(), "t", b"in flight", qos=1)
    await client.delivered()
    await gone(client)
    await send(await server.join(), "t", b"queued", qos=1)
    client, present = await server.present(connect("c"))
    assert not present
    await client.subscribed(("u", 1))
    await send(await server.join(), "t", qos=1)
    await client.alive()
    await gone(client)
    await send(await server.join(), "u", qos=1)
    client, present = await server.present(connect("c", clean=False))
    assert not present
    await send(await server.join(), "u", qos=1)
    await client.alive()


@pytest.mark.covers("MQTT-3.1.2-7")
@pytest.mark.parametrize("clean", [True, False], ids=["clean", "kept"])
@served()
async def test_retained_messages_outlive_the_session(server: Server, clean: bool) -> None:
    client = await server.join(connect("c", clean=clean))
    await send(client, "t", b"kept", qos=1, retain=True)
    await gone(client)
    await gone(await server.join(connect("c")))
    assert (await (await server.watch(("t", 1))).delivered()).payload == b"kept"


@pytest.mark.covers("MQTT-3.1.4-2", "MQTT-3.1.4-3", "MQTT-3.2.2-1", "MQTT-3.2.2-2", "MQTT-4.1.0-2")
@pytest.mark.parametrize(("before", "after"), [(True, True), (True, False), (False, True), (False, False)])
@served()
async def test_a_client_that_connects_again_takes_over(server: Server, before: bool, after: bool) -> None:
    old = await server.join(connect("c", clean=before))
    await old.subscribed(("t", 1))
    new, present = await server.present(connect("c", clean=after))
    await old.closed()
    assert present is (not before and not after)
    await send(await server.join(), "t", qos=1)
    if present:
        assert await take(new) == ("t", b"x", 1)
    await new.alive()


@pytest.mark.covers("MQTT-3.1.4-2")
@served()
async def test_of_many_that_take_over_the_last_stays(server: Server) -> None:
    clients = [await server.open(connect("c", clean=number % 3 == 0)) for number in range(20)]
    last = await server.join(connect("c"))
    for client in clients:
        async with asyncio.timeout(2):
            await client.reader.read()
    await last.alive()
    assert len(server.bus._running().registry.sessions) == 1


# --- wills


async def reset(client: Client) -> None:
    client.drop()


async def hang_up(client: Client) -> None:
    client.writer.close()


async def break_the_rules(client: Client) -> None:
    client.send(b"\x36\x00")
    await client.closed()


async def fall_silent(client: Client) -> None:
    await client.closed()


async def say_goodbye_wrongly(client: Client) -> None:
    client.send(b"\xe1\x00")
    await client.closed()


ENDS = [reset, hang_up, break_the_rules, fall_silent, say_goodbye_wrongly]


@pytest.mark.covers("MQTT-3.1.2-8", "MQTT-3.1.2-10", "MQTT-3.1.2-12")
@pytest.mark.parametrize("end", ENDS)
@served()
async def test_a_will_is_published_once_however_the_connection_ends(
    server: Server, end: Callable[[Client], Coroutine[Any, Any, None]]
) -> None:
    watcher = await server.watch(("w/#", 1))
    keep_alive = int(end is fall_silent)
    plain = await server.join(connect("plain", keep_alive=keep_alive))
    client = await server.join(connect("c", will=LAST_WILL, will_qos=1, keep_alive=keep_alive, clean=False))
    await asyncio.gather(end(client), end(plain))
    assert await take(watcher) == (*LAST_WILL, 1)
    await gone(await server.join(connect("c", clean=False)))
    await watcher.alive()


@pytest.mark.covers("MQTT-3.1.2-8")
@served()
async def test_a_will_is_published_when_another_takes_over(server: Server) -> None:
    watcher = await server.watch(("w/#", 0))
    await server.join(connect("c", will=LAST_WILL))
    await server.join(connect("c"))
    assert await take(watcher) == (*LAST_WILL, 0)
    await watcher.alive()


BEFORE_DISCONNECT = {
    "nothing": b"",
    "PINGREQ": PINGREQ,
    "PUBLISH": publish("t", qos=1),
    "SUBSCRIBE": subscribe(("t", 0)),
    "UNSUBSCRIBE": unsubscribe("t"),
}


@pytest.mark.covers("MQTT-3.1.2-10", "MQTT-3.14.4-3")
@pytest.mark.parametrize("before", BEFORE_DISCONNECT)
@pytest.mark.parametrize("waits", [True, False])
@served()
async def test_a_disconnect_takes_the_will_away(server: Server, before: str, waits: bool) -> None:
    """Also of a client that closes its socket at once, and that is owed an answer."""
    watcher = await server.watch(("w/#", 0))
    client = await server.join(connect(will=LAST_WILL))
    client.send(BEFORE_DISCONNECT[before], DISCONNECT)
    if waits:
        await client.reader.read()
    else:
        client.writer.close()
        await asyncio.sleep(0.1)
    await watcher.alive()


@pytest.mark.covers("MQTT-3.1.2-10", "MQTT-3.14.4-3")
@served()
async def test_a_disconnect_takes_the_will_away_while_a_publish_waits_for_room(server: Server) -> None:
    full = server.bus.subscribe(["t/#"], qos=1, durable=True, buffer=1)
    watcher = await server.watch(("w/#", 0))
    client = await server.join(connect(will=LAST_WILL))
    client.send(publish("t/1"), publish("t/2"), DISCONNECT)
    client.writer.close()
    await asyncio.sleep(0.1)
    await full.take(1)
    await watcher.alive()


@pytest.mark.covers("MQTT-3.1.2-9", "MQTT-3.1.2-14", "MQTT-3.1.2-16", "MQTT-3.1.2-17")
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [False, True])
@served()
async def test_a_will_has_its_qos_and_is_retained_as_told(server: Server, qos: int, retain: bool) -> None:
    watcher = await server.watch(("w/#", 2))
    client = await server.join(connect(will=LAST_WILL, will_qos=qos, will_retain=retain))
    client.drop()
    found = await watcher.delivered()
    assert (found.topic, found.payload, found.qos, found.retain) == (*LAST_WILL, qos, False)
    late = await server.watch(("w/#", 2))
    if retain:
        found = await late.delivered()
        assert (found.topic, found.payload, found.qos, found.retain) == (*LAST_WILL, qos, True)
    await late.alive()


# --- keep alive


@pytest.mark.covers("MQTT-3.1.2-24", "MQTT-3.1.2-8")
@served()
async def test_a_client_that_is_silent_for_one_and_a_half_times_its_keep_alive_is_closed(server: Server) -> None:
    watcher = await server.watch(("w/#", 0))
    began_s = asyncio.get_running_loop().time()
    silent = await server.join(connect(keep_alive=1, will=LAST_WILL))
    chatty = await server.join(connect(keep_alive=1))
    patient = await server.join(connect(keep_alive=0))
    half = await server.join(connect(keep_alive=1))
    half.send(PINGREQ[:1])  # half a packet is none

    async def chat() -> None:
        while True:
            await chatty.alive()
            await asyncio.sleep(0.5)

    chatting = asyncio.create_task(chat())
    assert await take(watcher) == (*LAST_WILL, 0)
    assert 1.4 < asyncio.get_running_loop().time() - began_s < 2.2
    await silent.closed()
    await half.closed()
    await asyncio.sleep(0.3)
    chatting.cancel()
    await asyncio.gather(chatting, return_exceptions=True)
    await patient.alive()
