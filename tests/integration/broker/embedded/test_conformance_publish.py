"""MQTT 3.1.1, sections 2.3, 3.3 to 3.7 and 4.3 to 4.6, from the socket: every QoS both ways, redelivery, order."""

import asyncio
import itertools

import pytest

from broker.auth.identity import Identity
from tests.support.mqtt.conformance import KEPT, Server, back, send, served, take
from tests.support.mqtt.wire import (
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    Delivered,
    acknowledge,
    publish,
    subscribe,
)

# --- each QoS both ways


@pytest.mark.covers(
    "MQTT-2.3.1-4",
    "MQTT-2.3.1-5",
    "MQTT-2.3.1-6",
    "MQTT-3.3.1-2",
    "MQTT-3.3.1-9",
    "MQTT-3.3.4-1",
    "MQTT-3.8.4-6",
    "MQTT-4.3.1-1",
    "MQTT-4.3.2-1",
    "MQTT-4.3.2-2",
    "MQTT-4.3.3-1",
    "MQTT-4.3.3-2",
)
@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
@served()
async def test_a_message_comes_at_the_lower_qos_of_its_publisher_and_its_subscriber(
    server: Server, published: int, granted: int
) -> None:
    watcher = await server.watch(("t/+", granted))
    publisher = await server.join()
    for payload in (b"", b"\0\xff" * 8, b"x" * 20_000):
        await send(publisher, "t/a", payload, qos=published, packet_id=0xABCD)
        found = await watcher.delivered()
        qos = min(published, granted)
        assert found == Delivered("t/a", payload, qos, retain=False, dup=False, packet_id=found.packet_id)
        assert bool(found.packet_id) == bool(qos)
        if qos == 1:
            watcher.send(acknowledge(PUBACK, found.packet_id))
        elif qos == 2:
            watcher.send(acknowledge(PUBREC, found.packet_id))
            await watcher.expect(PUBREL, found.packet_id)
            watcher.send(acknowledge(PUBCOMP, found.packet_id))
    await watcher.alive()
    await publisher.alive()


@pytest.mark.covers("MQTT-3.3.1-3")
@pytest.mark.parametrize("qos", [1, 2])
@served()
async def test_the_dup_flag_of_the_publisher_is_not_handed_on(server: Server, qos: int) -> None:
    watcher = await server.watch(("t", 2))
    publisher = await server.join()
    publisher.send(publish("t", qos=qos, dup=True))
    assert not (await watcher.delivered()).dup


@pytest.mark.covers("MQTT-4.3.2-2")
@pytest.mark.parametrize("dup", [False, True])
@served()
async def test_an_identifier_is_new_again_after_its_puback(server: Server, dup: bool) -> None:
    watcher = await server.watch(("t", 0))
    publisher = await server.join()
    for _ in range(3):
        publisher.send(publish("t", qos=1, packet_id=9, dup=dup))
        await publisher.expect(PUBACK, 9)
        await take(watcher)


@pytest.mark.covers("MQTT-4.3.3-2")
@served()
async def test_a_qos_2_message_is_taken_once_until_its_pubrel(server: Server) -> None:
    watcher = await server.watch(("t", 0))
    publisher = await server.join()
    for payload in (b"first", b"second"):
        for dup in (False, True, True):
            publisher.send(publish("t", payload, qos=2, packet_id=9, dup=dup))
            await publisher.expect(PUBREC, 9)
        for _ in range(2):
            publisher.send(acknowledge(PUBREL, 9))
            await publisher.expect(PUBCOMP, 9)
        assert await take(watcher) == ("t", payload, 0)
    await watcher.alive()


@pytest.mark.covers("MQTT-4.3.3-2", "MQTT-3.1.2-4", "MQTT-4.1.0-1")
@served()
async def test_a_qos_2_message_is_taken_once_across_connections(server: Server) -> None:
    watcher = await server.watch(("t", 0))
    publisher = await server.join(KEPT)
    for identifier in (9, 10):
        publisher.send(publish("t", qos=2, packet_id=identifier))
        await publisher.expect(PUBREC, identifier)
        await take(watcher)
    publisher = await back(server, publisher)
    publisher.send(publish("t", qos=2, packet_id=9, dup=True))
    await publisher.expect(PUBREC, 9)
    publisher = await back(server, publisher)
    for identifier in (9, 10, 11):
        publisher.send(acknowledge(PUBREL, identifier))
        await publisher.expect(PUBCOMP, identifier)
    await watcher.alive()
    await send(publisher, "t", b"new", qos=2, packet_id=9)
    assert await take(watcher) == ("t", b"new", 0)


@pytest.mark.covers("MQTT-4.3.3-2", "MQTT-4.5.0-1")
@served()
async def test_a_qos_2_message_that_waits_for_its_commit_is_taken_once_across_connections(server: Server) -> None:
    durable = server.bus.subscribe(["t"], qos=1, durable=True, buffer=5)
    publisher = await server.join(KEPT)
    publisher.send(publish("t", qos=2, packet_id=9))
    [message] = await durable.take(5)
    publisher = await back(server, publisher)
    for _ in range(2):
        publisher.send(publish("t", qos=2, packet_id=9, dup=True))
        await publisher.alive()
    await message.ack()
    await publisher.expect(PUBREC, 9)
    publisher.send(publish("t", qos=2, packet_id=9, dup=True))
    await publisher.expect(PUBREC, 9)
    publisher.send(acknowledge(PUBREL, 9))
    await publisher.expect(PUBCOMP, 9)
    assert len(durable) == 0


@pytest.mark.covers("MQTT-3.3.5-2")
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("topic", ["stress/v1/other/esp32_sensor_data", "stress/v1/mine/stress_alert", "elsewhere"])
@served(authenticate=lambda _: Identity("mine", "device"))
async def test_a_message_that_may_not_be_published_closes(server: Server, topic: str, qos: int) -> None:
    watcher = server.bus.subscribe(["#"], qos=0, durable=False, buffer=5)
    client = await server.join()
    client.send(publish("stress/v1/mine/esp32_sensor_data"), publish(topic, qos=qos))
    await client.closed()
    assert len(watcher) == 1


# --- retained messages


@pytest.mark.covers("MQTT-3.3.1-5", "MQTT-3.3.1-6", "MQTT-3.3.1-8", "MQTT-3.8.4-6")
@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("granted", [0, 1, 2])
@served()
async def test_the_last_retained_message_comes_with_a_subscription(server: Server, published: int, granted: int) -> None:
    publisher = await server.join()
    for topic, payload in [("t/a", b"old"), ("t/a", b"new"), ("t/b", b"x"), ("u", b"x")]:
        await send(publisher, topic, payload, qos=published, retain=True)
    late = await server.watch(("t/#", granted))
    found = sorted([await late.delivered() for _ in range(2)])
    qos = min(published, granted)
    assert [(one.topic, one.payload, one.qos, one.retain) for one in found] == [
        ("t/a", b"new", qos, True),
        ("t/b", b"x", qos, True),
    ]
    await late.alive()


@pytest.mark.covers("MQTT-3.3.1-7", "MQTT-3.3.1-9", "MQTT-3.3.1-10", "MQTT-3.3.1-11", "MQTT-3.3.1-12")
@served()
async def test_what_replaces_and_what_removes_a_retained_message(server: Server) -> None:
    established = await server.watch(("t", 1))
    publisher = await server.join()

    async def kept() -> list[bytes]:
        late = await server.watch(("t", 0))
        late.send(subscribe(("end", 0)))
        found: list[bytes] = []
        while (one := await late.read()).kind == PUBLISH:
            assert one.flags == 1
            found.append(one.body[3:])
        return found

    for payload, qos, retain, left in [
        (b"1", 1, True, [b"1"]),
        (b"2", 1, False, [b"1"]),
        (b"", 1, False, [b"1"]),
        (b"3", 0, True, [b"3"]),
        (b"", 1, True, []),
        (b"4", 2, True, [b"4"]),
        (b"", 0, True, []),
        (b"5", 0, False, []),
    ]:
        await send(publisher, "t", payload, qos=qos, retain=retain)
        found = await established.delivered()
        assert (found.payload, found.retain) == (payload, False)
        if found.qos:
            established.send(acknowledge(PUBACK, found.packet_id))
        assert await kept() == left


@pytest.mark.covers("MQTT-3.3.1-6")
@pytest.mark.parametrize(("qos", "size"), [(1, 10), (0, 2_000)])
@served()
async def test_every_retained_message_comes_however_many_there_are(server: Server, qos: int, size: int) -> None:
    """More than what may wait for one client: they are in the broker's memory already, and need not wait as copies."""
    publisher = await server.join()
    publisher.send(
        *(publish(f"r/{number}", b"x" * size, retain=True, qos=qos, packet_id=number) for number in range(1, 4_001))
    )
    for _ in range(4_000 if qos else 0):
        await publisher.expect(PUBACK)
    await publisher.alive()
    late = await server.watch(("r/#", qos))
    await asyncio.sleep(0.1)  # a client that is busy for a moment
    assert len({(await take(late))[0] for _ in range(4_000)}) == 4_000


# --- order


@pytest.mark.covers("MQTT-4.6.0-2", "MQTT-4.6.0-3")
@served()
async def test_answers_come_in_the_order_of_the_messages(server: Server) -> None:
    """Also where they are committed in another order."""
    durable = server.bus.subscribe(["slow"], qos=1, durable=True, buffer=50)
    publisher = await server.join()
    expected = []
    for number, (qos, topic) in enumerate(itertools.product((1, 2, 1), ("slow", "fast", "slow")), 1):
        publisher.send(publish(topic, qos=qos, packet_id=number))
        expected.append((PUBACK if qos == 1 else PUBREC, number))
    await publisher.alive()
    first, *others = await durable.take(50)
    for message in reversed(others[1:]):
        await message.ack()
    await publisher.alive()
    await first.ack()
    for kind, identifier in expected[:2]:
        await publisher.expect(kind, identifier)
    await publisher.alive()
    await others[0].ack()
    expected = expected[2:]
    assert [(one.kind, one.packet_id) for one in [await publisher.read() for _ in expected]] == expected


@pytest.mark.covers("MQTT-4.6.0-4")
@served()
async def test_pubrels_come_in_the_order_of_the_pubrecs(server: Server) -> None:
    watcher = await server.watch(("t", 2))
    publisher = await server.join()
    for _ in range(6):
        await send(publisher, "t", qos=2)
    identifiers = [(await watcher.delivered()).packet_id for _ in range(6)]
    order = [identifiers[index] for index in (3, 0, 5, 1, 2, 4)]
    watcher.send(*(acknowledge(PUBREC, identifier) for identifier in order))
    for identifier in order:
        await watcher.expect(PUBREL, identifier)


@pytest.mark.covers("MQTT-4.6.0-5", "MQTT-4.6.0-6")
@pytest.mark.parametrize("qos", [0, 1, 2])
@served()
async def test_the_messages_of_one_client_keep_their_order(server: Server, qos: int) -> None:
    watchers = [await server.watch(("t/+", qos)), await server.watch(("t/a", qos))]
    publishers = [await server.join() for _ in range(2)]
    for first in range(0, 600, 50):
        for index, publisher in enumerate(publishers):
            numbers = range(first, first + 50)
            publisher.send(
                *(publish("t/a", b"%d %d" % (index, number), qos=qos, packet_id=number + 1) for number in numbers)
            )
        for watcher in watchers:
            found: list[list[int]] = [[], []]
            while sum(map(len, found)) < 100:
                one = await watcher.read()
                if one.kind != PUBLISH:
                    continue
                index, number = map(int, one.body[7 if qos else 5 :].split())
                found[index].append(number)
                if qos:
                    identifier = int.from_bytes(one.body[5:7])
                    watcher.send(acknowledge(PUBACK if qos == 1 else PUBREC, identifier))
                    watcher.send(acknowledge(PUBCOMP, identifier) if qos == 2 else b"")
            assert found == [list(numbers), list(numbers)]
