"""The embedded broker, with Mosquitto's own clients on the network side."""

import asyncio
import inspect
import socket
import subprocess
from importlib.metadata import version
from typing import Any

import paho.mqtt.client as paho
import pytest
from amqtt.broker import Broker  # type: ignore[import-untyped]
from paho.mqtt.enums import CallbackAPIVersion

from broker.bus import BusError
from broker.embedded.amqtt_adapter import AmqttBroker
from broker.embedded.bus import EmbeddedBus
from broker.embedded.publisher import MAX_PENDING_ACKS
from broker.message import Message
from broker.subscription import Subscription
from tests.support.harness import Process, free_port
from tests.support.mqtt import wire
from tests.support.mqtt.aio import run, turns, until

HOST = "127.0.0.1"


def mosquitto_pub(port: int, topic: str, qos: int, *options: str) -> list[str]:
    return ["mosquitto_pub", "-p", str(port), "-t", topic, "-q", str(qos), *options]


def lines(payloads: list[bytes]) -> bytes:
    return b"".join(payload + b"\n" for payload in payloads)


async def network_publish(port: int, topic: str, payloads: list[bytes], qos: int, *options: str) -> None:
    command = mosquitto_pub(port, topic, qos, "-l", *options)
    await asyncio.to_thread(subprocess.run, command, input=lines(payloads), check=True, timeout=10)


async def take_all(subscription: Subscription, count: int) -> list[Message]:
    """The next `count` messages, acknowledged; what has come when none follows for a second is all there will be."""
    found: list[Message] = []
    while len(found) < count:
        try:
            taken = await asyncio.wait_for(subscription.take(count - len(found)), 1)
        except TimeoutError:
            break
        for message in taken:
            await message.ack()
        found += taken
    return found


class Listener(Process):
    """`mosquitto_sub` on `t/#`; prints topic, retained flag, QoS and payload."""

    def __init__(self, port: int, qos: int = 1) -> None:
        form = ["-t", "t/#", "-F", "%t %r %q %p", "-q", str(qos), "-d"]
        super().__init__(["stdbuf", "-oL", "mosquitto_sub", "-p", str(port), *form])
        self.wait_for("Subscribed")

    @property
    def heard(self) -> list[str]:
        return [line for line in list(self.lines) if line.startswith("t/")]


def numbered(count: int) -> list[bytes]:
    return [str(number).encode() for number in range(count)]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_network_client_reaches_a_subscriber_in_the_process_in_order(qos: int) -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            subscription = bus.subscribe(["t/+"], qos=1, durable=True, buffer=500)
            await bus.open()
            sender = asyncio.create_task(network_publish(bus.port, "t/a", numbered(200), qos))
            taken = await take_all(subscription, 200)
            await sender
            assert [one.payload for one in taken] == numbered(200)
            assert {one.topic for one in taken} == {"t/a"}
            assert not any(one.trusted for one in taken)

    run(main)


def test_what_the_pipeline_publishes_is_trusted_and_what_a_client_publishes_is_not() -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            durable = bus.subscribe(["t/+"], qos=1, durable=True, buffer=10)
            light = bus.subscribe(["t/#"], qos=0, durable=False, buffer=10)
            other = bus.subscribe(["u/#"], qos=0, durable=False, buffer=10)
            await bus.open()
            await bus.publish("t/a", b"own", qos=1)
            sender = asyncio.create_task(network_publish(bus.port, "t/a", [b"theirs"], 1))
            for subscription in (durable, light):
                taken = await take_all(subscription, 2)
                assert [(one.payload, one.trusted) for one in taken] == [(b"own", True), (b"theirs", False)]
            await sender
            assert len(other) == 0

    run(main)


@pytest.mark.parametrize("qos", [0, 1])
def test_what_is_published_reaches_the_network(qos: int) -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            await bus.open()
            with await asyncio.to_thread(Listener, bus.port) as listener:
                for payload in numbered(50):
                    await bus.publish("t/a", payload, qos=qos)
                await asyncio.to_thread(listener.wait_for, f"t/a 0 {qos} 49")
                assert listener.heard == [f"t/a 0 {qos} {number}" for number in range(50)]

    run(main)


def test_one_network_client_reaches_another() -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            await bus.open()
            with await asyncio.to_thread(Listener, bus.port) as listener:
                await network_publish(bus.port, "t/a", [b"hello"], 1)
                await asyncio.to_thread(listener.wait_for, "t/a 0 1 hello")

    run(main)


def test_only_what_asks_to_be_is_retained() -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            await bus.open()
            await bus.publish("t/kept", b"status", qos=1, retain=True)
            await bus.publish("t/gone", b"health", qos=1)
            await network_publish(bus.port, "t/theirs", [b"theirs"], 1, "-r")
            await network_publish(bus.port, "t/gone too", [b"health"], 1)
            with await asyncio.to_thread(Listener, bus.port) as listener:
                await asyncio.to_thread(listener.wait_for, "t/kept 1 1 status")
                await asyncio.to_thread(listener.wait_for, "t/theirs 1 1 theirs")
                await bus.publish("t/end", b"end", qos=1)
                await asyncio.to_thread(listener.wait_for, "t/end 0 1 end")
                assert sorted(listener.heard) == ["t/end 0 1 end", "t/kept 1 1 status", "t/theirs 1 1 theirs"]

    run(main)


def test_a_taken_port_is_one_line_with_address_and_reason() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind((HOST, 0))
            taken.listen()
            port = taken.getsockname()[1]
            async with EmbeddedBus(HOST, port) as bus:
                with pytest.raises(BusError) as refused:
                    await bus.open()
                assert str(refused.value) == f"cannot listen for MQTT on {HOST}:{port}: Address already in use"
                assert bus.state != "ok"

    run(main)


@pytest.mark.parametrize(
    ("host", "port", "reason"), [("192.0.2.1", 0, "[Aa]ssign"), (HOST, 70000, "0-65535"), ("no such host", 0, "")]
)
def test_an_address_that_cannot_be_had_is_a_bus_error(host: str, port: int, reason: str) -> None:
    async def main() -> None:
        async with EmbeddedBus(host, port) as bus:
            with pytest.raises(BusError, match=rf"^cannot listen for MQTT on {host}:{port}: .*{reason}"):
                await bus.open()

    run(main)


def test_close_ends_everything_and_a_second_time_does_nothing() -> None:
    async def main() -> None:
        port = free_port()
        bus = EmbeddedBus(HOST, port)
        assert bus.state == "closed"
        async with bus:
            subscription = bus.subscribe(["t/#"], qos=1, durable=True, buffer=10)
            await bus.open()
            assert bus.state == "ok"
            taker = asyncio.create_task(subscription.take(1))
            reader, writer = await asyncio.open_connection(HOST, port)
            await network_publish(port, "u/a", [b"x"], 1)  # by now the connection has been taken
            await bus.close()
            assert await reader.read() == b""
            writer.close()
            assert await taker == []
            assert bus.state == "closed"
            await bus.close()
            await bus.publish("t/a", b"late")
        async with EmbeddedBus(HOST, port) as again:
            await again.open()

    run(main)


def test_close_releases_a_sender_that_waits_for_room() -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            bus.subscribe(["t/#"], qos=1, durable=True, buffer=1)
            await bus.open()
            await bus.publish("t/a", b"0")
            sender = asyncio.create_task(bus.publish("t/a", b"1"))
            await turns()
            assert not sender.done()
            await bus.close()
            await asyncio.gather(sender, return_exceptions=True)

    run(main)


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_full_durable_buffer_loses_nothing_of_a_sender_that_stays(qos: int) -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            subscription = bus.subscribe(["t/#"], qos=1, durable=True, buffer=5)
            await bus.open()
            command = mosquitto_pub(bus.port, "t/a", qos, "-l")
            sender = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE)
            assert sender.stdin is not None
            sender.stdin.write(lines(numbered(500)))
            await sender.stdin.drain()
            await until(lambda: len(subscription) >= 5)
            taken = await take_all(subscription, 500)
            sender.stdin.close()
            await sender.wait()
            assert [one.payload for one in taken] == numbered(500)
            assert subscription.dropped == 0

    run(main)


@pytest.mark.parametrize("qos", [1, 2])
def test_a_full_durable_buffer_loses_nothing_of_a_sender_that_was_acknowledged_and_left(qos: int) -> None:
    """Whether the sender is held back or its messages are kept: what had its PUBACK or PUBREC is delivered."""

    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            subscription = bus.subscribe(["t/#"], qos=1, durable=True, buffer=5)
            await bus.open()
            sender = asyncio.create_task(network_publish(bus.port, "t/a", numbered(100), qos))
            await until(lambda: len(subscription) >= 5)
            await asyncio.wait([sender], timeout=0.5)  # it may have left by now, or may be held back
            taken = await take_all(subscription, 100)
            await sender
            assert [one.payload for one in taken] == numbered(100)

    run(main)


def test_a_slow_subscriber_that_is_not_durable_loses_the_oldest() -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            light = bus.subscribe(["t/#"], qos=0, durable=False, buffer=3)
            await bus.open()
            for payload in numbered(10):
                await bus.publish("t/a", payload)
            assert light.dropped == 7
            assert [one.payload for one in await light.take(9)] == [b"7", b"8", b"9"]

    run(main)


GARBAGE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x00" * 64,
    b"\xff" * 64,
    b"\x10\xff\xff\xff\xff\xff",
    b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00",
    b"\x10\x0c\x00\x04MQTT\x09\x02\x00\x3c\x00\x00",
    b"\x30\x05\x00\x03t/ax",
    b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01g\x32\xff\xff\xff\x7f" + b"\xfe" * 32,
    b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01h\xf7\xf7\xf7\xf7\xf7\xf7",
    b"",
]


def test_garbage_on_the_port_disturbs_nobody() -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            subscription = bus.subscribe(["t/#"], qos=1, durable=True, buffer=100)
            await bus.open()
            with await asyncio.to_thread(Listener, bus.port) as listener:
                writers = []
                for garbage in GARBAGE:
                    _, writer = await asyncio.open_connection(HOST, bus.port)
                    writer.write(garbage)
                    await writer.drain()
                    writers.append(writer)
                    sender = asyncio.create_task(network_publish(bus.port, "t/a", [b"good"], 1))
                    assert [one.payload for one in await take_all(subscription, 1)] == [b"good"]
                    await sender
                for writer in writers:
                    writer.close()
                await bus.publish("t/end", b"end", qos=1)
                await asyncio.to_thread(listener.wait_for, "t/end 0 1 end")
                assert listener.heard == ["t/a 0 1 good"] * len(GARBAGE) + ["t/end 0 1 end"]
            assert bus.state == "ok"
            assert len(subscription) == 1  # the end; of the garbage nothing

    run(main)


@pytest.mark.parametrize("qos", [1, 2])
def test_the_sender_is_acknowledged_once_the_durable_subscriber_has_acknowledged(qos: int) -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            subscription = bus.subscribe(["t/#"], qos=1, durable=True, buffer=5)
            await bus.open()
            sender = asyncio.create_task(network_publish(bus.port, "t/a", [b"x"], qos))
            [message] = await subscription.take(5)
            done, _ = await asyncio.wait([sender], timeout=0.5)
            assert done == set()
            await message.ack()
            await asyncio.wait_for(sender, 5)

    run(main)


def test_a_sender_is_held_back_while_too_much_of_it_is_under_way() -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            subscription = bus.subscribe(["t/#"], qos=1, durable=True, buffer=10 * MAX_PENDING_ACKS)
            await bus.open()
            client = paho.Client(CallbackAPIVersion.VERSION2)
            client.max_inflight_messages_set(4 * MAX_PENDING_ACKS)
            client.connect(HOST, bus.port)
            client.loop_start()
            for payload in numbered(3 * MAX_PENDING_ACKS):
                client.publish("t/a", payload, 1)
            await until(lambda: len(subscription) >= MAX_PENDING_ACKS)
            await turns(200)
            assert MAX_PENDING_ACKS <= len(subscription) < 2 * MAX_PENDING_ACKS
            taken = await take_all(subscription, 3 * MAX_PENDING_ACKS)
            assert [one.payload for one in taken] == numbered(3 * MAX_PENDING_ACKS)
            await asyncio.to_thread(client.loop_stop)

    run(main)


OVERRIDDEN = {
    "add_subscription": ["self", "subscription", "session"],
    "_session_monitor": ["self"],
    "_del_subscription": ["self", "a_filter", "session"],
    "_del_all_subscriptions": ["self", "session"],
    "_publish_retained_messages_for_subscription": ["self", "subscription", "session"],
}


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_amqtt_is_the_one_whose_methods_are_overridden(name: str) -> None:
    assert version("amqtt") == "0.12.1"
    for owner in (Broker, AmqttBroker):
        assert list(inspect.signature(vars(owner)[name]).parameters) == OVERRIDDEN[name]
    assert inspect.iscoroutinefunction(vars(Broker)[name]) == inspect.iscoroutinefunction(vars(AmqttBroker)[name])
    both = {found for found in vars(AmqttBroker) if found in vars(Broker)} - {"__init__", "__module__", "__doc__"}
    assert both == set(OVERRIDDEN)


def test_a_will_reaches_the_process_too() -> None:
    async def main() -> None:
        async with EmbeddedBus(HOST, 0) as bus:
            subscription = bus.subscribe(["t/#"], qos=1, durable=True, buffer=5)
            await bus.open()
            client = paho.Client(CallbackAPIVersion.VERSION2)
            client.will_set("t/will", b"gone")
            client.connect(HOST, bus.port)
            client.loop_start()
            await until(client.is_connected)
            sock = client.socket()
            assert isinstance(sock, socket.socket)
            sock.shutdown(socket.SHUT_RDWR)
            [message] = await subscription.take(5)
            assert (message.topic, message.payload) == ("t/will", b"gone")
            client.disconnect()
            await asyncio.to_thread(client.loop_stop)

    run(main)


def test_a_will_while_the_broker_ends_is_written_to_nobody() -> None:
    """Each client was told that nothing more is written to it; the will of the first that leaves is for the others."""

    async def main() -> None:
        uncaught: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: uncaught.append(context))
        async with EmbeddedBus(HOST, 0) as bus:
            await bus.open()
            async with (
                await wire.Client.join(bus.port) as watcher,
                await wire.Client.join(bus.port, wire.connect("device", will=("wills", b"gone"))) as device,
            ):
                await watcher.subscribed(("wills", 0))
                closing = asyncio.create_task(bus.close())
                assert await device.reader.read() == b""
                assert await watcher.reader.read() == b""
                device.writer.close()
                await device.writer.wait_closed()
                await turns()
            await closing
        assert uncaught == []

    run(main)
