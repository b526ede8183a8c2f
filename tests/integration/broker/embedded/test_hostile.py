"""Slow and hostile peers: no crash, no leak, no unbounded memory, and other clients do not notice."""

import asyncio
import gc
import itertools
import os
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.auth.connect_policy import MAX_SESSIONS_OF_A_DEVICE
from broker.embedded.bus import MAX_PENDING_CONNECT, EmbeddedBus
from broker.embedded.connection import MAX_PACKET, Connection
from broker.embedded.context import Timeouts
from broker.pacing.fair_queue import MAX_TOPIC_BYTES
from broker.protocol.packet_framer import MalformedError, PacketFramer
from broker.protocol.packet_types import Type
from broker.protocol.packets_in import UnsupportedVersionError
from tests.support.harness import Process, free_port
from tests.support.mqtt import wire
from tests.support.mqtt.aio import run, turns, until
from tests.support.mqtt.logins import PASSWORD, authenticate
from tests.support.mqtt.no_transport import NoTransport
from tests.support.mqtt.packets import read
from tests.support.mqtt.wire import PUBACK, Client

STREAMS = 10_000
"""Malformed streams in one run of the fuzzer."""
SHORT = Timeouts(connect_s=0.5, stall_s=0.5, close_s=0.2)


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def our_tasks() -> int:
    return sum("mqtt" in task.get_name() for task in asyncio.all_tasks())


async def send_and_leave(port: int, data: bytes, *, reset: bool) -> None:
    """Send, and leave at once or when the broker closes."""
    client = await Client.open(port)
    client.send(data)
    try:
        await client.writer.drain()
        if reset:
            client.drop()
            return
        async with asyncio.timeout(10):
            await client.reader.read()
        client.writer.close()
        await client.writer.wait_closed()
    except ConnectionError:
        pass  # refused already


# --- a fuzzer on the socket

VALID = [
    wire.publish("t", b"x", qos=1, packet_id=3),
    wire.publish("t", b"x" * 500, qos=2, packet_id=4),
    wire.publish("kept", b"x", retain=True),
    wire.subscribe(("t", 1), ("t/#", 2), ("$share/g/t", 0), ("+/+", 1)),
    wire.unsubscribe("t", "nothing"),
    wire.acknowledge(wire.PUBACK, 1),
    wire.acknowledge(wire.PUBREC, 2),
    wire.acknowledge(wire.PUBREL, 4),
    wire.acknowledge(wire.PUBCOMP, 2),
    wire.PINGREQ,
    wire.DISCONNECT,
    wire.connect("fuzz"),
]
CONNECTS = [
    wire.connect("fuzz"),
    wire.connect("fuzz", clean=False),
    wire.connect("", will=("w", b"x"), will_qos=1, will_retain=True, keep_alive=1),
]


def made_stream(chance: random.Random) -> bytes:
    """Packets of which some are cut, changed, or garbage."""
    parts = [chance.choice(CONNECTS)] if chance.randrange(10) else []
    for _ in range(chance.randint(1, 4)):
        part = bytearray(chance.choice(VALID) if chance.randrange(2) else chance.randbytes(chance.randrange(41)))
        if part and chance.randrange(2):
            part[chance.randrange(len(part))] = chance.randrange(256)
        parts.append(bytes(part if chance.randrange(5) else part[: chance.randrange(len(part) + 1)]))
    return b"".join(parts)


def malformed_streams(chance: random.Random) -> Iterator[bytes]:
    """Endlessly many."""
    while True:
        if malformed(stream := made_stream(chance)):
            yield stream


def malformed(stream: bytes) -> bool:
    """Whether the stream breaks the standard somewhere, by its packets one by one and by their order."""
    framer, first = PacketFramer(MAX_PACKET), True
    framer.feed(stream)
    try:
        while (frame := framer.take()) is not None:
            if first is not (frame.type is Type.CONNECT):
                return True
            first = False
            read(frame)
    except MalformedError:
        return True
    except UnsupportedVersionError:
        return False
    return False


def test_ten_thousand_malformed_streams_leave_nothing_and_disturb_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Sent over real sockets, a hundred at a time; one in five as the same client."""
    chance = random.Random(1)
    made = malformed_streams(chance)

    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, timeouts=SHORT) as bus:
            durable = bus.subscribe(["t/durable"], qos=1, durable=True, buffer=10)
            await bus.open()
            async with await Client.join(bus.port) as good:
                await good.subscribed(("good", 1))
                before, tasks = descriptors(), our_tasks()
                for round_ in range(STREAMS // 100):
                    chosen = list(itertools.islice(made, 100))
                    renamed = [
                        one.replace(b"fuzz", b"%04d" % number) if number % 5 else one for number, one in enumerate(chosen)
                    ]
                    await asyncio.gather(*(send_and_leave(bus.port, one, reset=chance.random() < 0.1) for one in renamed))
                    good.send(wire.publish("good", b"still here", qos=1, packet_id=round_ + 1))
                    found = [await good.read(), await good.read()]
                    assert sorted(one.kind for one in found) == [wire.PUBLISH, PUBACK]
                    for one in found:
                        if one.kind == wire.PUBLISH:
                            good.send(wire.acknowledge(PUBACK, int.from_bytes(one.body[6:8])))
                await until(lambda: bus.connections == 1)
                await until(lambda: our_tasks() == tasks)
                assert descriptors() <= before
                assert bus._running().registry.sessions == {connection.key for connection in bus._registry.connections}
            assert len(durable) == 0
            assert bus.counters.malformed > STREAMS * 0.75  # the rest was reset, or taken over, before it was read

    run(main, patience_s=90)
    assert "Traceback" not in caplog.text
    assert "an MQTT connection failed" not in caplog.text


def test_a_session_is_served_to_one_connection_after_the_other_however_late_the_deadlines_are() -> None:
    """Found by the test above on a busy machine, where both deadlines were over before either connection had ended."""

    async def main() -> None:
        ended = []

        async def watch(number: int, connection: Connection) -> None:
            await connection.ended.wait()
            ended.append(number)

        async with EmbeddedBus(wire.HOST, 0, timeouts=Timeouts(close_s=0)) as bus:
            connections = [bus.connect(NoTransport(), "nobody") for _ in range(4)]  # type: ignore[arg-type]
            connections[0].received(wire.connect("c"))
            await until(lambda: bus._running().amqtt.knows("c"))
            async with asyncio.TaskGroup() as group:
                for number, connection in enumerate(connections):
                    group.create_task(watch(number, connection))
                for connection in connections[1:]:
                    connection.received(wire.connect("c", clean=False))
                await turns(20)
                connections[-1].lost()
        assert ended == [0, 1, 2, 3]

    run(main)


def test_a_thousand_garbage_connections_leave_no_descriptors() -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, timeouts=SHORT) as bus:
            await bus.open()
            before = descriptors()
            for _ in range(10):
                clients = [await Client.open(bus.port) for _ in range(100)]
                for number, client in enumerate(clients):
                    client.send(os.urandom(number))
                for client in clients:
                    await client.closed()
                    client.writer.close()
                    await client.writer.wait_closed()
            await until(lambda: bus.connections == 0)
            assert descriptors() <= before
            assert not bus._running().registry.pending_connect

    run(main)


def test_a_half_open_flood_does_not_lock_others_out() -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, timeouts=Timeouts(connect_s=60)) as bus:
            await bus.open()
            silent = [await Client.open(bus.port) for _ in range(MAX_PENDING_CONNECT + 5)]
            for client in silent[:5]:
                await client.closed()
            async with await Client.join(bus.port) as good:
                await good.alive()
            await silent[-1].quiet()
            for client in silent:
                client.writer.close()

    run(main)


def test_the_number_of_connections_is_capped() -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, max_connections=2) as bus:
            await bus.open()
            async with await Client.join(bus.port) as first, await Client.join(bus.port) as second:
                async with await Client.open(bus.port) as third:
                    await third.closed()
                await first.alive()
                second.send(wire.DISCONNECT)
                await second.closed()
                await until(lambda: bus.connections == 1)
                async with await Client.join(bus.port) as third:
                    await third.alive()

    run(main)


def test_failed_logins_leave_nothing_behind() -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, authenticate=authenticate) as bus:
            await bus.open()
            for number in range(50):
                async with await Client.open(bus.port) as client:
                    client.send(wire.connect(f"c{number}", clean=False, username=f"u{number}", password="guess"))
                    assert (await client.expect(wire.CONNACK)).body == b"\x00\x04"
                    await client.closed()
            await until(lambda: bus.connections == 0)
            assert bus._router.sessions == {}
            assert not bus._running().amqtt.sessions
            assert not bus._running().registry.sessions

    run(main)


def named(name: str, number: int) -> bytes:
    return wire.connect(f"c{number}", clean=False, username=name, password=PASSWORD)


def test_one_login_cannot_take_all_connections() -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, authenticate=authenticate) as bus:
            await bus.open()
            clients = [await Client.open(bus.port) for _ in range(5 * MAX_SESSIONS_OF_A_DEVICE)]
            for number, client in enumerate(clients):
                client.send(named("alice", number))
            codes = [(await client.expect(wire.CONNACK)).body[1] for client in clients]
            assert codes.count(0) == MAX_SESSIONS_OF_A_DEVICE
            assert codes.count(3) == 4 * MAX_SESSIONS_OF_A_DEVICE
            async with await Client.join(bus.port, named("bob", 0)) as bob:
                await bob.alive()
            bus.revoke("alice")
            async with await Client.join(bus.port, named("alice", 99)) as new:
                await new.alive()
            for client in clients:
                client.writer.close()

    run(main)


def test_a_login_with_many_client_identifiers_loses_its_oldest_session_not_its_way_in() -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, authenticate=authenticate) as bus:
            await bus.open()
            for number in range(MAX_SESSIONS_OF_A_DEVICE + 3):
                async with await Client.join(bus.port, named("alice", number)) as client:
                    client.send(wire.DISCONNECT)
                    await client.closed()
            assert len(bus._router.sessions) == MAX_SESSIONS_OF_A_DEVICE
            assert "alice/c2" not in bus._router.sessions
            assert f"alice/c{MAX_SESSIONS_OF_A_DEVICE + 2}" in bus._router.sessions

    run(main)


# --- back-pressure


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_one_who_floods_is_held_back_and_nothing_is_lost(qos: int) -> None:
    """A subscriber here takes nothing for a while: what waits is bounded, and all of it comes in the end."""
    count = 3_000

    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0) as bus:
            subscription = bus.subscribe(["t"], qos=1, durable=True, buffer=1_000)
            await bus.open()
            async with await Client.join(bus.port) as flood, await Client.join(bus.port) as other:
                sending = asyncio.create_task(_flood(flood, count, qos))
                await until(lambda: subscription.full_for("t"))
                await turns(200)
                assert len(subscription) * 2_000 <= MAX_TOPIC_BYTES
                await other.alive()
                taken: list[int] = []
                while len(taken) < count:
                    for message in await subscription.take(100):
                        taken.append(int(message.payload.rstrip(b"x")))
                        await message.ack()
                assert taken == list(range(count))
                await sending

    run(main)


async def _flood(client: Client, count: int, qos: int) -> None:
    for number in range(count):
        client.send(wire.publish("t", str(number).encode() + b"x" * 2_000, qos=qos, packet_id=number % 900 + 1))
        if qos == 2:
            client.send(wire.acknowledge(wire.PUBREL, number % 900 + 1))
        await client.writer.drain()
        await asyncio.sleep(0)
        if qos:
            while client.reader._buffer:  # type: ignore[attr-defined]
                await client.read()


def test_large_messages_are_bounded_by_their_bytes() -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0) as bus:
            subscription = bus.subscribe(["t"], qos=1, durable=True, buffer=100_000)
            await bus.open()
            async with await Client.join(bus.port) as flood:
                big = wire.publish("t", b"x" * 250_000)

                async def send() -> None:
                    for _ in range(1_000):
                        flood.send(big)
                        await flood.writer.drain()

                sending = asyncio.create_task(send())
                await until(lambda: subscription.full_for("t"))
                await turns(200)
                assert len(subscription) * 250_000 <= MAX_TOPIC_BYTES + 250_000
                assert not sending.done()
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)

    run(main)


def test_one_who_sends_and_does_not_read_is_not_read_from() -> None:
    """What it is answered would otherwise pile up here."""

    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, timeouts=Timeouts(stall_s=0.5)) as bus:
            await bus.open()
            small = socket.socket()
            small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            small.setblocking(False)
            await asyncio.get_running_loop().sock_connect(small, (wire.HOST, bus.port))
            async with Client(*await asyncio.open_connection(sock=small)) as client:
                client.send(wire.connect())
                await client.expect(wire.CONNACK)
                client.writer.transport.pause_reading()  # type: ignore[attr-defined]
                with pytest.raises(ConnectionError):  # noqa: PT012
                    for _ in range(1_000):
                        client.send(wire.acknowledge(wire.PUBREL, 1) * 5_000)
                        await client.writer.drain()
                assert bus.counters.stalled == 1

    run(main)


SLOW_SERVER = """
import asyncio, sys
from broker.embedded.bus import EmbeddedBus
async def main():
    async with EmbeddedBus("127.0.0.1", int(sys.argv[1])) as bus:
        await bus.open()
        print("listening", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


def test_memory_stays_bounded_with_a_subscriber_that_never_reads() -> None:
    port = free_port()
    with Process([sys.executable, "-c", SLOW_SERVER, str(port)]) as server:
        server.wait_for("listening")

        async def main() -> None:
            async with await Client.join(port) as deaf, await Client.join(port) as publisher:
                await deaf.subscribed(("t", 0))
                deaf.writer.transport.pause_reading()  # type: ignore[attr-defined]
                before = server.resident_mb()
                for _ in range(1_000):
                    publisher.send(wire.publish("t", b"x" * 200_000))
                    await publisher.writer.drain()
                await publisher.alive()
                assert server.resident_mb() - before < 30  # of the 200 MB that went through

        run(main)
