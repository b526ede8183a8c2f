"""What amqtt gets wrong and this broker does not: every check passes on ours, and fails on amqtt as it comes."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from broker.embedded.amqtt_adapter import AmqttBroker, ControlStream
from broker.embedded.bus import EmbeddedBus
from broker.embedded.connection import MAX_PACKET
from broker.embedded.context import Timeouts
from broker.embedded.session import QUEUED
from tests.support.harness import Process, free_port
from tests.support.mqtt import wire
from tests.support.mqtt.aio import run
from tests.support.mqtt.logins import PASSWORD, authenticate
from tests.support.mqtt.wire import PUBACK, PUBREC, PUBREL, Client

Check = Callable[[int], Awaitable[None]]
"""Takes the port of a broker."""
CHECKS: list[Check] = []
WITH_LOGINS: list[Check] = []
PATIENCE = Timeouts(connect_s=0.5, stall_s=0.5, close_s=0.2)
ALICE = "stress/v1/alice/data_received"


def check(function: Check) -> Check:
    CHECKS.append(function)
    return function


def check_with_logins(function: Check) -> Check:
    WITH_LOGINS.append(function)
    return check(function)


def login(name: str, client_id: str | None = None, *, clean: bool = True, password: str = PASSWORD) -> bytes:
    return wire.connect(client_id or name, clean=clean, username=name, password=password)


async def refused(port: int, sent: bytes, code: int) -> None:
    async with await Client.open(port) as client:
        client.send(sent)
        answer = await client.expect(wire.CONNACK)
        assert answer.body == bytes((0, code))
        await client.closed()


async def tell_alice(port: int, payload: bytes = b"hello") -> None:
    async with await Client.join(port, login("sam")) as service:
        service.send(wire.publish(ALICE, payload, qos=1))
        await service.expect(PUBACK)


# --- admission


@check_with_logins
async def a_wrong_password_does_not_end_the_victims_subscriptions(port: int) -> None:
    async with await Client.join(port, login("alice")) as alice:
        await alice.subscribed((ALICE, 1))
        await refused(port, login("alice", password="wrong"), 4)
        await tell_alice(port)
        assert (await alice.delivered()).payload == b"hello"


@check_with_logins
async def a_wrong_password_does_not_kick_a_persistent_session(port: int) -> None:
    async with await Client.join(port, login("alice", clean=False)) as alice:
        await alice.subscribed((ALICE, 1))
        await refused(port, login("alice", clean=False, password="wrong"), 4)
        await tell_alice(port)
        assert (await alice.delivered()).payload == b"hello"


@check_with_logins
async def another_login_with_the_same_client_identifier_touches_nothing(port: int) -> None:
    async with await Client.join(port, login("alice", clean=False)) as alice:
        await alice.subscribed((ALICE, 1))
        async with await Client.join(port, login("bob", "alice")) as bob:
            await tell_alice(port)
            assert (await alice.delivered()).payload == b"hello"
            await bob.quiet()
        await alice.alive()


@check_with_logins
async def failed_logins_are_slowed_down(port: int) -> None:
    codes = []
    for _ in range(8):
        async with await Client.open(port) as client:
            client.send(login("alice", password="guess"))
            codes.append((await client.expect(wire.CONNACK)).body[1])
    assert codes == [4] * 5 + [3] * 3
    async with await Client.join(port, login("bob")) as bob:
        await bob.alive()


@check
async def without_a_connect_the_connection_ends(port: int) -> None:
    for sent in (b"", wire.connect()[:9]):
        async with await Client.open(port) as client:
            client.send(sent)
            await client.closed()


MALFORMED = {
    "a reserved type": b"\xf0\x00",
    "type 0": b"\x00\x00",
    "a CONNACK": b"\x20\x02\x00\x00",
    "QoS 3": b"\x36\x06\x00\x01a\x00\x01x",
    "SUBSCRIBE flags": b"\x80\x06\x00\x01\x00\x01a\x00",
    "no filter": b"\x82\x02\x00\x01",
    "subscription QoS 3": b"\x82\x06\x00\x01\x00\x01a\x03",
    "packet identifier 0": b"\x32\x05\x00\x01a\x00\x00",
    "a string beyond the packet": b"\x30\x04\x00\x09ab",
    "not UTF-8": b"\x30\x05\x00\x02\xc3\x28x",
    "a surrogate": b"\x30\x06\x00\x03\xed\xa0\x80x",
    "U+0000": b"\x30\x05\x00\x02a\x00x",
    "five length bytes": b"\x30\xff\xff\xff\xff\x01",
    "an empty topic": b"\x30\x03\x00\x00x",
    "a wildcard topic": b"\x30\x04\x00\x01#x",
    "bytes after PINGREQ": b"\xc0\x01x",
    "DUP at QoS 0": b"\x38\x04\x00\x01ax",
}


@check
async def a_malformed_packet_ends_the_connection(port: int) -> None:
    for bad in MALFORMED.values():
        async with await Client.join(port) as client:
            client.send(bad)
            await client.closed()


@check
async def a_silent_client_is_dropped_and_its_will_goes_out(port: int) -> None:
    async with await Client.join(port) as watcher:
        await watcher.subscribed(("status/#", 1))
        async with await Client.join(port, wire.connect(keep_alive=1, will=("status/x", b"gone"))) as silent:
            assert (await watcher.delivered()).payload == b"gone"
            await silent.closed()


@check
async def a_packet_over_the_limit_ends_the_connection_before_it_has_come(port: int) -> None:
    async with await Client.join(port) as client:
        client.send(wire.publish("a", b"x" * (MAX_PACKET + 1))[:10])
        await client.closed()


@check_with_logins
async def a_will_without_permission_is_refused(port: int) -> None:
    for topic in ("stress/v1/bob/device_status", "$SYS/broker/version"):
        sent = wire.connect("alice", username="alice", password=PASSWORD, will=(topic, b"x"))
        await refused(port, sent, 5)


# --- delivery


@check
async def the_qos_of_a_delivery_is_the_lower_of_the_two(port: int) -> None:
    async with await Client.join(port) as subscriber, await Client.join(port) as publisher:
        await subscriber.subscribed(("t/2", 2), ("t/1", 1), ("t/0", 0))
        for granted in (0, 1, 2):
            for sent in (0, 1, 2):
                publisher.send(wire.publish(f"t/{granted}", qos=sent, packet_id=10 + sent))
                delivered = await subscriber.delivered()
                assert delivered.qos == min(granted, sent)
                if delivered.qos == 1:
                    subscriber.send(wire.acknowledge(PUBACK, delivered.packet_id))
                elif delivered.qos == 2:
                    subscriber.send(wire.acknowledge(PUBREC, delivered.packet_id))
                    await subscriber.expect(PUBREL, delivered.packet_id)
                    subscriber.send(wire.acknowledge(wire.PUBCOMP, delivered.packet_id))
                if sent == 2:
                    publisher.send(wire.acknowledge(PUBREL, 12))


@check
async def a_take_over_closes_the_old_connection_and_serves_the_new_one(port: int) -> None:
    for clean in (True, False):
        async with await Client.join(port, wire.connect("taken", clean=clean)) as old:
            await old.subscribed(("t", 1))
            async with await Client.join(port, wire.connect("taken", clean=clean)) as new:
                await old.closed()
                await new.subscribed(("t", 1))
                new.send(wire.publish("t", b"mine", qos=1))
                found = sorted([(await new.read()).kind, (await new.read()).kind])
                assert found == [wire.PUBLISH, PUBACK]


@check
async def what_was_not_acknowledged_comes_again_after_a_reconnect(port: int) -> None:
    async with await Client.join(port, wire.connect("away", clean=False)) as client:
        await client.subscribed(("t", 1))
        async with await Client.join(port) as publisher:
            publisher.send(wire.publish("t", b"1", qos=1))
        first = await client.delivered()
        assert not first.dup
        client.drop()
    async with await Client.join(port, wire.connect("away", clean=False)) as client:
        again = await client.delivered()
        assert (again.payload, again.dup, again.packet_id) == (b"1", True, first.packet_id)


@check
async def the_queue_of_a_client_that_is_away_is_bounded(port: int) -> None:
    many = QUEUED.messages + 500
    async with await Client.join(port, wire.connect("long away", clean=False)) as client:
        await client.subscribed(("t", 1))
        client.send(wire.DISCONNECT)
        await client.closed()
    async with await Client.join(port) as publisher:
        for number in range(many):
            publisher.send(wire.publish("t", str(number).encode(), qos=1, packet_id=number + 1))
        for _ in range(many):
            await publisher.expect(PUBACK)
    async with await Client.join(port, wire.connect("long away", clean=False)) as client:
        for number in range(many - QUEUED.messages, many):
            delivered = await client.delivered()
            assert delivered.payload == str(number).encode()
            client.send(wire.acknowledge(PUBACK, delivered.packet_id))
        await client.quiet()


@check
async def a_retained_message_goes_only_to_who_subscribes_to_it(port: int) -> None:
    async with await Client.join(port) as publisher:
        publisher.send(wire.publish("kept/1", b"old", qos=1, retain=True))
        await publisher.expect(PUBACK)
        await publisher.subscribed(("kept/#", 1))
        await publisher.delivered()
        async with await Client.join(port) as stranger:
            await stranger.quiet()


@check
async def overlapping_filters_give_one_copy_at_the_highest_qos(port: int) -> None:
    async with await Client.join(port) as client:
        await client.subscribed(("t/a", 0), ("t/+", 1), ("#", 0))
        client.send(wire.publish("t/a", qos=2, packet_id=9))
        found = [await client.read(), await client.read()]
        assert sorted(one.kind for one in found) == [wire.PUBLISH, PUBREC]
        assert next(one.flags >> 1 & 3 for one in found if one.kind == wire.PUBLISH) == 1
        await client.quiet()


@check
async def a_publish_to_a_system_topic_ends_the_connection(port: int) -> None:
    async with await Client.join(port) as client:
        client.send(wire.publish("$SYS/x", qos=1))
        await client.closed()


@check
async def shared_subscriptions_are_refused_not_accepted_and_forgotten(port: int) -> None:
    async with await Client.join(port) as client:
        assert await client.subscribed(("$share/group/t", 1), ("t", 1), ("$SYS/#", 0)) == b"\x80\x01\x80"


# --- slow and hostile peers


@check
async def one_who_never_reads_is_cut_off(port: int) -> None:
    async with await Client.join(port) as deaf, await Client.join(port) as publisher:
        await deaf.subscribed(("t", 0))
        deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(400):
            publisher.send(wire.publish("t", b"x" * 100_000))
            await publisher.writer.drain()
        await publisher.alive()
        await asyncio.sleep(2 * PATIENCE.stall_s)  # the time that is tested
        deaf.writer.transport.resume_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(5):
            try:
                while await deaf.reader.read(1_000_000):
                    pass
            except ConnectionError:
                pass


def name_of(one: Check) -> str:
    return one.__name__


@pytest.mark.parametrize("one", CHECKS, ids=name_of)
def test_ours(one: Check) -> None:
    async def main() -> None:
        logins = authenticate if one in WITH_LOGINS else None
        async with EmbeddedBus(wire.HOST, 0, authenticate=logins, timeouts=PATIENCE) as bus:
            await bus.open()
            await one(bus.port)

    run(main)


@pytest.mark.parametrize("one", CHECKS, ids=name_of)
def test_plain_amqtt_fails(one: Check) -> None:
    port = free_port()
    with Process([sys.executable, "-m", "tests.support.mqtt.plain", str(port)]) as plain:
        plain.wait_for("listening")

        async def main() -> None:
            await one(port)

        with pytest.raises((AssertionError, TimeoutError, ConnectionError, asyncio.IncompleteReadError)):
            run(main)


def test_a_client_can_come_back_even_where_the_engine_hangs() -> None:
    """amqtt once never noticed that a client was gone; nothing in it may lock a device out again."""

    class Stuck(AmqttBroker):
        hang = True

        async def serve(self, stream: ControlStream) -> None:
            if self.hang:
                self.hang = False
                await asyncio.Event().wait()
            await super().serve(stream)

    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, timeouts=PATIENCE) as bus:
            bus._context = msgspec.structs.replace(bus._running(), amqtt=Stuck(bus._router))
            await bus._running().amqtt.start()
            await bus.open()
            async with await Client.open(bus.port) as client:
                client.send(wire.connect("device"))
                await client.quiet()
            async with await Client.join(bus.port, wire.connect("device")) as client:
                await client.alive()

    run(main)
