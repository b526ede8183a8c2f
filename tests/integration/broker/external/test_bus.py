"""The bus on an external broker: a real Mosquitto."""

import asyncio
import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.address import MqttAddress, parse_url
from broker.bus import BusError
from broker.contract import DATA_RECEIVED
from broker.embedded.bus import EmbeddedBus
from broker.external.bus import MqttBus
from broker.message import Message
from broker.subscription import Subscription
from tests.support.harness import Process, free_port, mosquitto
from tests.support.mqtt import wire
from tests.support.mqtt.aio import run, turns, until
from tests.support.mqtt.logins import PASSWORD, authenticate


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mosquitto(tmp_path_factory.mktemp("mosquitto")) as running:
        yield running


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://host", MqttAddress("host", 1883, tls=False)),
        ("mqtts://host", MqttAddress("host", 8883, tls=True)),
        ("mqtt://10.0.0.1:1884", MqttAddress("10.0.0.1", 1884, tls=False)),
        ("mqtt://[::1]:1884", MqttAddress("::1", 1884, tls=False)),
        ("mqtt://me@host", MqttAddress("host", 1883, tls=False, username="me")),
        ("mqtts://me:secret@host:9", MqttAddress("host", 9, tls=True, username="me", password="secret")),
        ("mqtt://a%40b:p%2Fw%3A%23@host", MqttAddress("host", 1883, tls=False, username="a@b", password="p/w:#")),
    ],
)
def test_parse_url(url: str, expected: MqttAddress) -> None:
    assert parse_url(url) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "must begin with mqtt:// or mqtts://"),
        ("host:1883", "must begin with mqtt:// or mqtts://"),
        ("http://host", "must begin with mqtt:// or mqtts://"),
        ("mqtt://", "must name a host"),
        ("mqtt://me:secret@", "must name a host"),
        ("mqtt://host:many", "(?i)port"),
        ("mqtt://host:70000", "(?i)port"),
        ("mqtt://[::1", "IPv6"),
    ],
)
def test_parse_url_refuses(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refused:
        parse_url(url)
    assert "secret" not in str(refused.value)


def test_the_password_is_never_shown() -> None:
    address = parse_url("mqtts://me:secret@host:1")
    for shown in (repr(address), str(address), f"{address}", f"{[address]}"):
        assert "secret" not in shown
        assert "host:1" in shown


def port_of(url: str) -> str:
    return url.rpartition(":")[2]


async def network_publish(url: str, topic: str, *payloads: str, qos: int = 1) -> None:
    command = ["mosquitto_pub", "-p", port_of(url), "-t", topic, "-q", str(qos), "-l"]
    lines = "".join(payload + "\n" for payload in payloads).encode()
    await asyncio.to_thread(subprocess.run, command, input=lines, check=True, timeout=10)


async def subscribed(bus: MqttBus, subscription: Subscription, topic: str) -> None:
    """Wait until the broker knows of the subscription: a probe comes back. Its acknowledgement leaves nothing behind."""
    await until(lambda: bus.state == "ok")
    while True:
        await bus.publish(topic, b"probe", qos=1)
        try:
            probe = await asyncio.wait_for(subscription.take(1), 0.5)
        except TimeoutError:
            continue
        assert probe[0].payload == b"probe"
        await probe[0].ack()
        return


async def next_of(subscription: Subscription, count: int) -> list[Message]:
    """The next `count` messages that are no probes; probes are acknowledged."""
    found: list[Message] = []
    while len(found) < count:
        for one in await subscription.take(count - len(found)):
            if one.payload == b"probe":
                await one.ack()
            else:
                found.append(one)
    return found


def payloads(messages: list[Message]) -> list[bytes]:
    return [one.payload for one in messages]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_messages_come_in_order(url: str, qos: int) -> None:
    async def main() -> None:
        async with MqttBus(parse_url(url)) as bus:
            subscription = bus.subscribe([f"order{qos}/+"], qos=qos, durable=True, buffer=500)
            await bus.open()
            await subscribed(bus, subscription, f"order{qos}/a")
            await network_publish(url, f"order{qos}/a", *map(str, range(100)), qos=qos)
            taken = await next_of(subscription, 100)
            assert payloads(taken) == [str(number).encode() for number in range(100)]
            assert {one.topic for one in taken} == {f"order{qos}/a"}
            for one in taken:
                await one.ack()

    run(main)


def test_what_is_published_reaches_the_network(url: str) -> None:
    async def main() -> None:
        command = ["stdbuf", "-oL", "mosquitto_sub", "-p", port_of(url), "-t", "out/#", "-F", "%t %r %p", "-q", "1", "-d"]
        with Process(command) as listener:
            await asyncio.to_thread(listener.wait_for, "Subscribed")
            async with MqttBus(parse_url(url)) as bus:
                await bus.open()
                await bus.publish("out/a", b"one", qos=1)
                await bus.publish("out/kept", b"two", qos=1, retain=True)
                await bus.publish("out/a", b"end", qos=1)
                await asyncio.to_thread(listener.wait_for, "out/a 0 end")
            said = [line for line in listener.lines if line.startswith("out/")]
            assert said == ["out/a 0 one", "out/kept 0 two", "out/a 0 end"]
        with Process(command) as late:
            await asyncio.to_thread(late.wait_for, "Subscribed")
            await network_publish(url, "out/a", "live")
            await asyncio.to_thread(late.wait_for, "out/a 0 live")
            assert [line for line in late.lines if line.startswith("out/")] == ["out/kept 1 two", "out/a 0 live"]

    run(main)


def test_what_is_published_before_the_connection_is_sent_after_it(url: str) -> None:
    async def main() -> None:
        async with MqttBus(parse_url(url)) as listener, MqttBus(parse_url(url)) as bus:
            subscription = listener.subscribe(["early"], qos=1, durable=True, buffer=10)
            await listener.open()
            await subscribed(listener, subscription, "early")
            await bus.publish("early", b"first", qos=1)
            await bus.open()
            assert payloads(await next_of(subscription, 1)) == [b"first"]

    run(main)


def test_an_unacknowledged_message_comes_again_to_the_same_client_and_an_acknowledged_one_does_not(url: str) -> None:
    async def main() -> None:
        topic = "durable/a"
        async with MqttBus(parse_url(url), "keeper") as first:
            subscription = first.subscribe([topic], qos=1, durable=True, buffer=10)
            await first.open()
            await subscribed(first, subscription, topic)
            await network_publish(url, topic, "done", "held", "done too early")
            taken = await next_of(subscription, 3)
            assert payloads(taken) == [b"done", b"held", b"done too early"]
            await taken[0].ack()
            await taken[2].ack()  # waits for the one before it: acknowledgements are in order [MQTT-4.6.0-2]
        await network_publish(url, topic, "while away")
        async with MqttBus(parse_url(url), "keeper") as second:
            subscription = second.subscribe([topic], qos=1, durable=True, buffer=10)
            await second.open()
            again = await next_of(subscription, 3)
            assert payloads(again) == [b"held", b"done too early", b"while away"]
            for one in again:
                await one.ack()
        async with MqttBus(parse_url(url), "keeper") as third:
            subscription = third.subscribe([topic], qos=1, durable=True, buffer=10)
            await third.open()
            await network_publish(url, topic, "end")
            last = await next_of(subscription, 1)
            assert payloads(last) == [b"end"]
            await last[0].ack()

    run(main)


def test_without_a_name_the_session_ends_with_the_connection(url: str) -> None:
    async def main() -> None:
        for payload in ("one", "two"):
            async with MqttBus(parse_url(url)) as bus:
                subscription = bus.subscribe(["clean"], qos=1, durable=True, buffer=10)
                await bus.open()
                await subscribed(bus, subscription, "clean")
                await network_publish(url, "clean", payload)
                assert payloads(await next_of(subscription, 1)) == [payload.encode()]

    run(main)


def test_a_subscriber_that_is_not_durable_is_acknowledged_for(url: str) -> None:
    async def main() -> None:
        topic = "light"
        async with MqttBus(parse_url(url), "light") as first:
            subscription = first.subscribe([topic], qos=1, durable=False, buffer=2)
            await first.open()
            await subscribed(first, subscription, topic)
            await network_publish(url, topic, *map(str, range(6)))
            await until(lambda: subscription.dropped >= 4)
            assert payloads(await next_of(subscription, 2)) == [b"4", b"5"]
        async with MqttBus(parse_url(url), "light") as second:
            subscription = second.subscribe([topic], qos=1, durable=False, buffer=10)
            await second.open()
            await network_publish(url, topic, "end")
            assert payloads(await next_of(subscription, 1)) == [b"end"]

    run(main)


def test_the_state_tells_of_the_connection_and_comes_back_with_the_broker(tmp_path: Path) -> None:
    async def main() -> None:
        with mosquitto(tmp_path) as address:
            bus = MqttBus(parse_url(address))
            assert bus.state == "not connected"
            async with bus:
                subscription = bus.subscribe(["a"], qos=1, durable=True, buffer=10)
                await bus.open()
                await subscribed(bus, subscription, "a")
                assert bus.state == "ok"
                bus._client.socket().shutdown(2)  # type: ignore[union-attr]
                await until(lambda: bus.state.startswith("connection lost"))
                await subscribed(bus, subscription, "a")
                assert bus.state == "ok"
            assert bus.state == "not connected"

    run(main)


def test_an_acknowledgement_right_before_the_end_is_not_overtaken_by_it(url: str) -> None:
    """The broker goes on sending, which it does not read the rest of."""

    async def main() -> None:
        topic, count = "overtaken", 300
        for start in range(0, count, 100):
            async with MqttBus(parse_url(url), "hasty") as bus:
                subscription = bus.subscribe([topic], qos=1, durable=True, buffer=1_000)
                await bus.open()
                if not start:
                    await subscribed(bus, subscription, topic)
                    await network_publish(url, topic, *(str(number) for number in range(count)))
                taken = await next_of(subscription, 100)
                assert payloads(taken) == [b"%d" % number for number in range(start, start + 100)]
                for one in taken:
                    await one.ack()

    run(main)


def test_draining_takes_nothing_more_and_still_acknowledges(url: str) -> None:
    async def main() -> None:
        topic = "drained"
        async with MqttBus(parse_url(url), "drained") as first:
            subscription = first.subscribe([topic], qos=1, durable=True, buffer=10)
            light = first.subscribe(["after"], qos=1, durable=False, buffer=10)
            await first.open()
            await subscribed(first, subscription, topic)
            await network_publish(url, topic, "before")
            await until(lambda: len(subscription) == 1)
            await first.drain()
            await network_publish(url, topic, "later")
            await network_publish(url, "after", "there")
            assert payloads(await next_of(light, 1)) == [b"there"]
            (waiting,) = [one async for one in subscription]
            assert waiting.payload == b"before"
            await waiting.ack()
        async with MqttBus(parse_url(url), "drained") as second:
            subscription = second.subscribe([topic], qos=1, durable=True, buffer=10)
            await second.open()
            assert payloads(await next_of(subscription, 1)) == [b"later"]

    run(main)


def test_a_message_is_for_every_subscriber_that_asks_for_it(url: str) -> None:
    async def main() -> None:
        async with MqttBus(parse_url(url), "all") as bus:
            durable = bus.subscribe(["all/+"], qos=1, durable=True, buffer=10)
            light = bus.subscribe(["all/#"], qos=1, durable=False, buffer=10)
            await bus.open()
            await subscribed(bus, durable, "all/a")
            await network_publish(url, "all/a", "both")
            assert (await next_of(durable, 1))[0].payload == b"both"
            assert b"both" in payloads(await light.take(10))

    run(main)


def test_who_has_no_room_is_not_read_for_and_gets_everything_in_the_end(tmp_path: Path) -> None:
    """The broker of this test sends as much as it likes."""

    async def main() -> None:
        with mosquitto(tmp_path, max_inflight_messages=0) as address:
            async with MqttBus(parse_url(address), "slow") as bus:
                subscription = bus.subscribe(["slow/+"], qos=1, durable=True, buffer=200)
                await bus.open()
                await subscribed(bus, subscription, "slow/probe")
                count = 6_000
                sent = [f"{number} ".ljust(1_000, ".") for number in range(count)]
                await network_publish(address, "slow/a", *sent)
                await until(lambda: subscription.full)
                await turns(500)
                # What one call of the library reads, at most, comes beyond it.
                assert len(subscription) < 1_000
                taken: list[bytes] = []
                while len(taken) < count:
                    for one in await subscription.take(50):
                        taken.append(one.payload.split()[0])
                        await one.ack()
                assert taken == [b"%d" % number for number in range(count)]
                assert subscription.dropped == 0
                assert bus.state == "ok"

    run(main)


def test_deliver_returns_when_the_broker_has_it_however_long_it_is_away(tmp_path: Path) -> None:
    async def main() -> None:
        port = free_port()
        async with MqttBus(MqttAddress("127.0.0.1", port, tls=False)) as bus:
            await bus.open()
            delivery = asyncio.create_task(bus.deliver("delivered", b"one"))
            await until(lambda: bus.state.startswith("nobody answers"))
            assert not delivery.done()
            with mosquitto(tmp_path, port=port):
                await delivery
            await until(lambda: bus.state != "ok")
            lost = asyncio.create_task(bus.deliver("delivered", b"two"))
            await turns()
        with pytest.raises(BusError, match="closed"):
            await lost
        with pytest.raises(BusError, match="closed"):
            await bus.deliver("delivered", b"three")

    run(main)


def test_a_subscription_that_the_broker_refuses_is_no_health() -> None:
    async def main() -> None:
        async with EmbeddedBus("127.0.0.1", 0, authenticate=authenticate) as broker:
            await broker.open()
            login = MqttAddress("127.0.0.1", broker.port, tls=False, username="alice", password=PASSWORD)
            async with MqttBus(login) as bus:
                own, other = DATA_RECEIVED.topic("alice"), DATA_RECEIVED.topic("bob")
                bus.subscribe([own, other], qos=1, durable=True, buffer=10)
                await bus.open()
                await until(lambda: bus.state == f"refuses the subscription to {other}")

    run(main)


def test_a_broker_that_accepts_and_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("broker.external.bus.KEEPALIVE_S", 1)

    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, MqttBus(MqttAddress("127.0.0.1", port, tls=False)) as bus:
            await bus.open()
            await until(lambda: bus.state.startswith("connection failed"))

    run(main)


def test_a_broker_that_goes_away_while_we_leave_holds_nobody_up() -> None:
    """It answers the first SUBSCRIBE, and ends the connection at the second: the one that asks whether it has read all."""

    async def main() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for reply in (b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x01", b""):
                await reader.read(1_000)
                writer.write(reply)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            bus = MqttBus(MqttAddress("127.0.0.1", server.sockets[0].getsockname()[1], tls=False), "leaver")
            bus.subscribe(["a"], qos=1, durable=True, buffer=10)
            await bus.open()
            assert bus.state == "ok"
            async with asyncio.timeout(1.5):
                await bus.close()
            assert bus.state == "not connected"

    run(main)


@pytest.mark.parametrize("publishing", [True, False])
def test_a_reset_with_much_unread_is_read_to_its_end_and_the_bus_connects_again(publishing: bool) -> None:
    """So it looks when a broker is killed: what it had sent, and then a reset."""
    payload, sent = b"x" * 200, 3_000

    async def main() -> None:
        connections = 0

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            for reply in (b"\x20\x02\x00\x00", b"\x90\x03\x00\x01\x00"):
                await reader.read(1_000)
                writer.write(reply)
            if connections == 1:
                writer.write(wire.publish("a", payload) * sent)
                await asyncio.sleep(0)
                no_farewell = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_farewell)
                writer.transport.abort()
            else:
                await reader.read()
                writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server, MqttBus(MqttAddress("127.0.0.1", server.sockets[0].getsockname()[1], tls=False)) as bus:
            bus.subscribe(["a"], qos=0, durable=False, buffer=sent)
            await bus.open()
            async with asyncio.timeout(8):  # less than the keep-alive, which would notice as well
                while connections < 2:
                    if publishing:
                        await bus.publish("b", b"")
                    await asyncio.sleep(0.0001)

    run(main)


def test_close_ends_the_subscriptions_and_a_second_time_does_nothing(url: str) -> None:
    async def main() -> None:
        bus = MqttBus(parse_url(url))
        subscription = bus.subscribe(["a"], qos=1, durable=True, buffer=10)
        await bus.open()
        taker = asyncio.create_task(subscription.take(1))
        await asyncio.sleep(0)
        await bus.close()
        assert await taker == []
        await bus.close()
        await bus.publish("a", b"", qos=1)

    run(main)
