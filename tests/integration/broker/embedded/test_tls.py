"""TLS on the broker's listener: messages of any size, and an end to the patience with who does not shake hands."""

import asyncio
import ssl
from pathlib import Path

import pytest

from broker.embedded.bus import EmbeddedBus
from broker.embedded.context import Timeouts
from tests.support.certificates import self_signed
from tests.support.mqtt import wire
from tests.support.mqtt.aio import run, until
from tests.support.mqtt.wire import Client


@pytest.fixture
def contexts(tmp_path: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The server's, and one of a client that trusts it."""
    certificate = self_signed(tmp_path, "broker")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.cert, certificate.key)
    client = ssl.create_default_context(cafile=str(certificate.cert))
    client.check_hostname = False
    return server, client


async def secured(port: int, context: ssl.SSLContext) -> Client:
    client = Client(*await asyncio.open_connection(wire.HOST, port, ssl=context))
    client.send(wire.connect())
    assert (await client.expect(wire.CONNACK)).body == b"\x00\x00"
    return client


def test_messages_of_any_size_come_through(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, tls=contexts[0]) as bus:
            await bus.open()
            async with await secured(bus.port, contexts[1]) as client:
                await client.subscribed(("t", 1))
                for size in (0, 1, 20_000, 250_000):
                    client.send(wire.publish("t", b"x" * size, qos=1))
                    found = [await client.read(), await client.read()]
                    assert sorted(one.kind for one in found) == [wire.PUBLISH, wire.PUBACK]
                    client.send(wire.acknowledge(wire.PUBACK, int.from_bytes(found[0].body[3:5])))
            await until(lambda: bus.connections == 0)

    run(main)


def test_who_does_not_shake_hands_is_dropped_in_time(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async def main() -> None:
        async with EmbeddedBus(wire.HOST, 0, tls=contexts[0], timeouts=Timeouts(connect_s=0.3)) as bus:
            await bus.open()
            async with await Client.open(bus.port) as silent:
                await silent.closed()
            async with await Client.open(bus.port) as plain:
                plain.send(wire.connect())
                with pytest.raises((AssertionError, EOFError, ConnectionError)):  # an alert of TLS, or nothing
                    await plain.expect(wire.CONNACK)
            async with await secured(bus.port, contexts[1]) as client:
                await client.alive()

    run(main)
