"""MQTT 3.1.1, sections 4.3 to 4.5, from the socket: what was not acknowledged, and what has been."""

import pytest

from broker.protocol.outbound import Limits, Outbox, Outgoing
from tests.support.mqtt.conformance import KEPT, Server, back, send, served, take
from tests.support.mqtt.wire import (
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Client,
    acknowledge,
    publish,
    unsubscribe,
)


async def subscriber(server: Server, *filters: tuple[str, int]) -> Client:
    """A client with a session that is kept."""
    client = await server.join(KEPT)
    assert 0x80 not in await client.subscribed(*filters)
    return client


# --- redelivery


@pytest.mark.covers("MQTT-3.3.1-1", "MQTT-2.3.1-4", "MQTT-4.3.2-1", "MQTT-4.4.0-1", "MQTT-4.6.0-1")
@pytest.mark.parametrize("qos", [1, 2])
@served()
async def test_what_was_not_acknowledged_is_sent_again_in_order_with_dup(server: Server, qos: int) -> None:
    client = await subscriber(server, ("t", qos))
    publisher = await server.join()
    for number in range(5):
        await send(publisher, "t", str(number).encode(), qos=2)
    sent = [await client.delivered() for _ in range(5)]
    assert not any(one.dup for one in sent)
    client.send(acknowledge(PUBACK if qos == 1 else PUBREC, sent[1].packet_id))
    if qos == 2:
        await client.expect(PUBREL, sent[1].packet_id)
        client.send(acknowledge(PUBCOMP, sent[1].packet_id))
    await client.alive()
    for _ in range(2):
        client = await back(server, client)
        await send(publisher, "t", b"new", qos=2)
        again = [await client.delivered() for _ in range(4)]
        assert again == [one._replace(dup=True) for one in sent if one is not sent[1]]
    new = await client.delivered()
    assert new.dup, "it was sent to the second connection"
    assert not (await client.delivered()).dup
    assert new.packet_id not in {one.packet_id for one in again}


@pytest.mark.covers("MQTT-4.3.3-1", "MQTT-4.4.0-1", "MQTT-2.3.1-6")
@served()
async def test_after_a_pubrec_the_pubrel_is_sent_again_and_not_the_message(server: Server) -> None:
    client = await subscriber(server, ("t", 2))
    publisher = await server.join()
    for payload in (b"0", b"1", b"2"):
        await send(publisher, "t", payload, qos=2)
    sent = [await client.delivered() for _ in range(3)]
    for one in (sent[0], sent[1]):
        client.send(acknowledge(PUBREC, one.packet_id))
        await client.expect(PUBREL, one.packet_id)
    client.send(acknowledge(PUBCOMP, sent[0].packet_id))
    await client.alive()
    for _ in range(2):
        client = await back(server, client)
        await client.expect(PUBREL, sent[1].packet_id)
        assert await client.delivered() == sent[2]._replace(dup=True)
    client.send(acknowledge(PUBCOMP, sent[1].packet_id))
    await client.alive()
    client = await back(server, client)
    assert await client.delivered() == sent[2]._replace(dup=True)
    await client.alive()


@pytest.mark.covers("MQTT-4.3.3-1")
@served()
async def test_a_pubrec_is_answered_with_a_pubrel_as_often_as_it_comes(server: Server) -> None:
    client = await subscriber(server, ("t", 2))
    await send(await server.join(), "t", qos=2)
    found = await client.delivered()
    for identifier in (found.packet_id, found.packet_id, 999):
        client.send(acknowledge(PUBREC, identifier))
        await client.expect(PUBREL, identifier)
    for kind, identifier in ((PUBCOMP, found.packet_id), (PUBCOMP, found.packet_id), (PUBCOMP, 999), (PUBACK, 999)):
        client.send(acknowledge(kind, identifier))
    await client.alive()
    client = await back(server, client)
    await client.alive()


@pytest.mark.covers("MQTT-2.3.1-4", "MQTT-4.3.2-1", "MQTT-4.3.3-1")
@served()
async def test_no_identifier_is_used_while_another_message_has_it(server: Server) -> None:
    client = await subscriber(server, ("t", 1))
    publisher = await server.join()
    open_ids: set[int] = set()
    for number in range(300):
        await send(publisher, "t", qos=1)
        if len(open_ids) < 100:
            found = await client.delivered()
            assert found.packet_id not in open_ids
            open_ids.add(found.packet_id)
        if number % 3 == 0:
            client.send(acknowledge(PUBACK, open_ids.pop()))


@pytest.mark.covers("MQTT-2.3.1-4")
def test_identifiers_begin_anew_after_65535_and_leave_out_those_in_use() -> None:
    outbox = Outbox(Limits(10, 1_000))
    outbox.put(Outgoing("t", b"stays"), 1)
    stays = int.from_bytes(outbox.take(1)[5:7])
    used = []
    for _ in range(0xFFFF + 10):
        outbox.put(Outgoing("t", b""), 1)
        used.append(int.from_bytes(outbox.take(1)[5:7]))
        outbox.acknowledge(used[-1])
    assert set(used) == set(range(1, 0x10000)) - {stays}


@pytest.mark.covers("MQTT-4.5.0-1")
@pytest.mark.parametrize("qos", [1, 2])
@served()
async def test_what_was_acknowledged_is_kept_for_every_subscriber(server: Server, qos: int) -> None:
    """Of a publisher that breaks off right after its PUBACK or PUBREC."""
    client = await subscriber(server, ("t", 2))
    client.drop()
    watcher = await server.watch(("t", 0))
    publisher = await server.join()
    publisher.send(publish("t", qos=qos, packet_id=3))
    await publisher.expect(PUBACK if qos == 1 else PUBREC, 3)
    publisher.drop()
    assert await take(watcher) == ("t", b"x", 0)
    client, present = await server.present(KEPT)
    assert present
    assert await take(client) == ("t", b"x", qos)


@pytest.mark.covers("MQTT-4.3.2-1", "MQTT-4.5.0-1")
@served()
async def test_a_burst_reaches_a_subscriber_that_keeps_up(server: Server) -> None:
    """More than fits into the window and the queue of one client, faster than its acknowledgements can come back."""
    watcher = await server.watch(("t", 1))
    publisher = await server.join()
    count = 5_000
    publisher.send(*(publish("t", str(number).encode(), qos=1, packet_id=number + 1) for number in range(count)))
    for number in range(count):
        assert await take(watcher) == ("t", str(number).encode(), 1)


# --- what is under way when a subscription ends


@pytest.mark.covers("MQTT-3.10.4-2", "MQTT-3.10.4-3")
@served()
async def test_messages_under_way_are_finished_after_an_unsubscribe(server: Server) -> None:
    client = await subscriber(server, ("one", 1), ("two", 2))
    publisher = await server.join()
    await send(publisher, "one", qos=1)
    await send(publisher, "two", qos=2)
    one, two = await client.delivered(), await client.delivered()
    client.send(unsubscribe("one", "two"))
    await client.read()
    await send(publisher, "one", qos=1)
    await send(publisher, "two", qos=2)
    client.send(acknowledge(PUBREC, two.packet_id))
    await client.expect(PUBREL, two.packet_id)
    client = await back(server, client)
    assert await client.delivered() == one._replace(dup=True)
    await client.expect(PUBREL, two.packet_id)
    client.send(acknowledge(PUBACK, one.packet_id), acknowledge(PUBCOMP, two.packet_id))
    await client.alive()
