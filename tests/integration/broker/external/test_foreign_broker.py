"""A broker that is not ours and sends what is no MQTT, or what nobody expects.

The bus goes on, on this connection or the next.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker.address import MqttAddress
from broker.contract.near_topics import NEAR_FILTERS
from broker.external import bus as mqtt
from broker.external.bus import MqttBus
from tests.support.mqtt import wire
from tests.support.mqtt.aio import run, until

CONNACK = b"\x20\x02\x00\x00"
SUBACK = b"\x90\x03\x00\x01\x01"
GOOD = wire.publish("a", b"good")


async def foreign(
    sends: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    use: Callable[[MqttBus], Awaitable[None]],
) -> list[dict[str, Any]]:
    """`use` a bus on a broker that `sends` once it is connected and subscribed; the errors that nobody caught."""
    uncaught: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: uncaught.append(context))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for reply in (CONNACK, SUBACK):
                await reader.read(1_000)
                writer.write(reply)
            await sends(reader, writer)
            await reader.read()
        except ConnectionError:
            pass  # the bus has had enough
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, MqttBus(MqttAddress("127.0.0.1", server.sockets[0].getsockname()[1], tls=False), "us") as bus:
        await use(bus)
    return uncaught


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x30\x05\x00\x03\xff\xfe\xfdx",
        b"\x30\x00",
        b"\x30\x01\x00",
        b"\x30\x02\x00\x09",
        b"\x32\x03\x00\x01a",
        b"\x36\x06\x00\x01a\x00\x01x",
        b"\x30\xff\xff\xff\xff\x7f",
        b"\x00\x00",
        b"\xf0\x00",
        b"\xe0\x00",
        b"\x10\x00",
        b"\x20\x00",
        b"\x20\x02\x00\x05",
        b"\x20\x02\x00\xff",
        b"\x40\x00",
        b"\x40\x02\x12\x34",
        b"\x50\x02\x12\x34",
        b"\x62\x02\x12\x34",
        b"\x70\x02\x12\x34",
        b"\x90\x00",
        b"\x90\x02\x00\x09",
        b"\x90\x04\x00\x01\x01\x80",
        b"\x90\x03\x00\x01\x7f",
        b"\xb0\x00",
        b"\xc0\x01x",
        b"\xd0\x01x",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x16\x03\x01\x00\x05hello",
        *(random.Random(seed).randbytes(40) for seed in range(20)),
    ],
    ids=lambda garbage: garbage[:12].hex(),
)
def test_the_bus_goes_on(monkeypatch: pytest.MonkeyPatch, garbage: bytes) -> None:
    monkeypatch.setattr(mqtt, "RECONNECT_FIRST_S", 0.01)

    async def main() -> None:
        connections = 0

        async def sends(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            if connections == 1:
                writer.write(garbage)
                await writer.drain()
                await asyncio.sleep(0.05)  # a packet that is not whole may wait for what comes next
                writer.close()
            else:
                writer.write(GOOD)

        async def use(bus: MqttBus) -> None:
            subscription = bus.subscribe(["a"], qos=1, durable=False, buffer=100)
            await bus.open()
            async with asyncio.timeout(10):
                while (await anext(subscription)).payload != b"good":
                    pass
            assert bus.state == "ok"

        assert await foreign(sends, use) == []

    run(main)


def test_a_topic_that_is_not_utf_8_is_refused_counted_and_acknowledged() -> None:
    """Or the broker would send it for ever; what comes after it on the same connection is taken."""

    async def main() -> None:
        acknowledged = asyncio.Event()
        connections = 0

        async def sends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal connections
            connections += 1
            writer.write(b"\x32\x08\x00\x02\xff\xfe\x00\x07xy" + GOOD)
            if b"\x40\x02\x00\x07" in await reader.read(1_000):
                acknowledged.set()

        async def use(bus: MqttBus) -> None:
            subscription = bus.subscribe(["a"], qos=1, durable=False, buffer=100)
            await bus.open()
            async with asyncio.timeout(10):
                assert (await anext(subscription)).payload == b"good"
                await acknowledged.wait()
            await until(lambda: bus.refused == 1)

        assert await foreign(sends, use) == []
        assert connections == 1

    run(main)


def test_a_broker_that_ends_the_connection_over_a_wrong_topic_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As RabbitMQ does with a login that may not read it; what the pipeline lives by is granted before."""
    monkeypatch.setattr(mqtt, "RECONNECT_FIRST_S", 0.01)

    async def main() -> None:
        asked: list[bytes] = []

        async def sends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not asked:
                asked.append(await reader.read(10_000))
                writer.close()
                return
            writer.write(b"\x90\x03\x00\x03\x01" + GOOD)  # the third packet of this client that has an identifier
            asked.append(await reader.read(10_000))

        async def use(bus: MqttBus) -> None:
            bus.subscribe_misaddressed(10)
            subscription = bus.subscribe(["a"], qos=1, durable=False, buffer=100)
            await bus.open()
            async with asyncio.timeout(10):
                assert (await anext(subscription)).payload == b"good"
            assert bus.state == "ok"

        assert await foreign(sends, use) == []
        await until(lambda: len(asked) == 2)
        assert NEAR_FILTERS[0].encode() in asked[0]
        assert asked[1] == b"\xe0\x00"  # nothing until it left

    run(main)
    said = [record.getMessage() for record in caplog.records if "nearly right" in record.getMessage()]
    assert len(said) == 1
    assert "ended the connection when asked for topics that are nearly right, and is not asked again" in said[0]


def test_a_broker_that_refuses_a_wrong_topic_is_as_healthy_as_before(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    async def main() -> None:
        async def sends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(2)
            writer.write(bytes([0x90, 2 + len(NEAR_FILTERS), 0, 2, *([0x80] * len(NEAR_FILTERS))]) + GOOD)

        async def use(bus: MqttBus) -> None:
            bus.subscribe_misaddressed(10)
            subscription = bus.subscribe(["a"], qos=1, durable=False, buffer=100)
            await bus.open()
            async with asyncio.timeout(10):
                assert (await anext(subscription)).payload == b"good"
            assert bus.state == "ok"

        assert await foreign(sends, use) == []

    run(main)
    assert [record.levelname for record in caplog.records if "nearly right" in record.getMessage()] == ["INFO"]
