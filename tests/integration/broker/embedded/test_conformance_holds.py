"""MQTT 3.1.1 while something holds a client up: a subscriber without room, an answer that is due, too much at once."""

import asyncio
import gc

import pytest

from broker.embedded.connection import Connection
from tests.support.mqtt.conformance import KEPT, Server, back, send, served, take
from tests.support.mqtt.wire import (
    PUBACK,
    PUBREC,
    connect,
    packet,
    publish,
    subscribe,
)

# --- holds


@pytest.mark.covers("MQTT-4.3.1-1")
@pytest.mark.parametrize("before", [connect("c"), connect("c") + subscribe(("u", 0))], ids=["CONNECT", "SUBSCRIBE"])
@served()
async def test_what_was_sent_before_the_leave_taking_is_taken(server: Server, before: bytes) -> None:
    """A client need not wait for an answer: it may connect, publish and leave in one breath."""
    watcher = await server.watch(("t", 0))
    client = await server.open(before, publish("t"), b"\xe0\x00")
    client.writer.close()
    assert await take(watcher) == ("t", b"x", 0)


@pytest.mark.covers("MQTT-4.3.3-2")
@served()
async def test_repeated_qos_2_messages_are_held_up_like_new_ones(server: Server) -> None:
    """Each repetition is owed an answer: while one before it waits, they pile up."""
    durable = server.bus.subscribe(["slow"], qos=1, durable=True, buffer=5)
    client = await server.join()
    client.send(publish("fast", qos=2, packet_id=7))
    await client.expect(PUBREC, 7)
    client.send(publish("slow", qos=1, packet_id=8))
    client.send(*(publish("fast", qos=2, packet_id=7, dup=True) for _ in range(5_000)), packet(0xC0, b""))
    await client.quiet()
    await (await durable.take(1))[0].ack()
    await client.expect(PUBACK, 8)


@pytest.mark.covers("MQTT-4.8.0-1")
@served()
async def test_many_unreleased_messages_do_not_hinder_one_that_waits_for_room(server: Server) -> None:
    durable = server.bus.subscribe(["full"], qos=1, durable=True, buffer=1)
    client = await server.join()
    client.send(publish("full"), *(publish("t", qos=2, packet_id=number) for number in range(1, 1_001)))
    for number in range(1, 1_001):
        await client.expect(PUBREC, number)
    client.send(publish("full", qos=2, packet_id=1_001))
    await asyncio.sleep(0.05)
    for _ in range(2):
        [message] = await durable.take(1)
        assert message.topic == "full"
        await message.ack()
    await client.expect(PUBREC, 1_001)


@pytest.mark.covers("MQTT-4.5.0-1")
@served()
async def test_connections_that_left_do_not_wait_for_room(server: Server) -> None:
    durable = server.bus.subscribe(["full"], qos=1, durable=True, buffer=1)
    await send(await server.join(), "full", qos=0)
    for _ in range(50):
        client = await server.join()
        client.send(publish("full", qos=1))
        await asyncio.sleep(0)
        client.drop()
    await asyncio.sleep(0.1)
    gc.collect()
    assert sum(isinstance(one, Connection) for one in gc.get_objects()) < 10
    assert len(durable) == 1


@pytest.mark.covers("MQTT-4.6.0-6")
@served()
async def test_the_pipeline_is_not_starved_by_clients_that_wait_for_the_same_room(server: Server) -> None:
    durable = server.bus.subscribe(["full"], qos=1, durable=True, buffer=1)
    client = await server.join()
    client.send(*(publish("full", qos=1, packet_id=number) for number in range(1, 301)))
    await asyncio.sleep(0.05)
    own = asyncio.create_task(server.bus.publish("full", b"own"))
    await asyncio.sleep(0.05)
    taken = [one.payload for _ in range(20) for one in await durable.take(1)]
    own.cancel()
    await asyncio.gather(own, return_exceptions=True)
    assert b"own" in taken


@pytest.mark.covers("MQTT-4.4.0-1", "MQTT-4.3.3-2")
@served()
async def test_a_client_with_too_many_unreleased_messages_gets_on_after_a_reconnect(server: Server) -> None:
    """It must send all of them again, and is to have the answers to those that were taken."""
    client = await server.join(KEPT)
    numbers = range(1, 1_101)
    client.send(*(publish("t", qos=2, packet_id=number) for number in numbers))
    for number in numbers[:1_000]:
        await client.expect(PUBREC, number)
    client = await back(server, client)
    client.send(*(publish("t", qos=2, packet_id=number, dup=True) for number in numbers))
    await client.expect(PUBREC, 1)
