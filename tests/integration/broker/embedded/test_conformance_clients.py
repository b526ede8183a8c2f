"""MQTT 3.1.1 with clients that others wrote, as they come: Mosquitto's and paho."""

import asyncio
import subprocess
import threading
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.harness import Process
from tests.support.mqtt.aio import until
from tests.support.mqtt.conformance import Server, send, served, take

COUNT = 50
NUMBERED = [str(number) for number in range(COUNT)]


async def command(program: str, server: Server, *options: str, sent: str = "") -> subprocess.CompletedProcess[str]:
    """Run a client of Mosquitto to its end."""
    line = [program, "-p", str(server.port), *options]
    return await asyncio.to_thread(
        subprocess.run, line, input=sent, capture_output=True, text=True, timeout=10, check=False
    )


async def listen(server: Server, *options: str) -> Process:
    """A `mosquitto_sub` that has subscribed."""
    line = ["stdbuf", "-oL", "mosquitto_sub", "-p", str(server.port), "-d", "-F", "> %t %r %q %p", *options]
    process = await asyncio.to_thread(Process, line)
    await asyncio.to_thread(process.wait_for, "Subscribed")
    return process


def heard(lines: list[str]) -> list[str]:
    return [line.removeprefix("> ") for line in lines if line.startswith("> ")]


@pytest.mark.covers("MQTT-3.8.4-6", "MQTT-4.6.0-6", "MQTT-7.0.0-2", "MQTT-7.1.1-1")
@pytest.mark.parametrize("qos", [0, 1, 2])
@served()
async def test_mosquitto_at_every_qos(server: Server, qos: int) -> None:
    with await listen(server, "-t", "t/+", "-q", str(qos)) as process:
        done = await command("mosquitto_pub", server, "-t", "t/a", "-q", str(qos), "-l", sent="\n".join(NUMBERED))
        assert done.returncode == 0, done.stderr
        await until(lambda: len(heard(process.lines)) >= COUNT)
        assert heard(process.lines) == [f"t/a 0 {qos} {number}" for number in NUMBERED]


@pytest.mark.covers("MQTT-3.1.2-8", "MQTT-3.1.2-17")
@served()
async def test_mosquitto_with_a_will(server: Server) -> None:
    watcher = await server.watch(("w", 1))
    will = ["--will-topic", "w", "--will-payload", "gone", "--will-qos", "1", "--will-retain"]
    with await listen(server, "-t", "t", *will):
        pass  # it is killed
    assert await take(watcher) == ("w", b"gone", 1)
    found = await command("mosquitto_sub", server, "-t", "w", "-C", "1", "-W", "5", "-F", "%r %p")
    assert found.stdout == "1 gone\n"


@pytest.mark.covers("MQTT-3.3.1-5", "MQTT-3.3.1-6", "MQTT-3.3.1-10")
@served()
async def test_mosquitto_with_a_retained_message(server: Server) -> None:
    await command("mosquitto_pub", server, "-t", "t", "-m", "kept", "-q", "2", "-r")
    found = await command("mosquitto_sub", server, "-t", "#", "-C", "1", "-W", "5", "-q", "2", "-F", "%t %r %q %p")
    assert found.stdout == "t 1 2 kept\n"
    await command("mosquitto_pub", server, "-t", "t", "-n", "-r", "-q", "1")
    await (await server.watch(("#", 0))).quiet()


@pytest.mark.covers("MQTT-3.1.2-5", "MQTT-4.6.0-6")
@pytest.mark.parametrize("qos", [1, 2])
@served()
async def test_mosquitto_that_comes_back_gets_what_it_missed(server: Server, qos: int) -> None:
    session = ["-t", "t", "-q", str(qos), "-c", "-i", "kept"]
    await command("mosquitto_sub", server, *session, "-E")
    await command("mosquitto_pub", server, "-t", "t", "-q", str(qos), "-l", sent="\n".join(NUMBERED))
    found = await command("mosquitto_sub", server, *session, "-C", str(COUNT), "-W", "5", "-F", "%q %p")
    assert found.stdout.splitlines() == [f"{qos} {number}" for number in NUMBERED]


@pytest.mark.covers("MQTT-3.1.2-2")
@pytest.mark.parametrize(("version", "words"), [("mqttv5", "protocol version"), ("mqttv31", "protocol version")])
@served()
async def test_mosquitto_of_another_version_is_refused(server: Server, version: str, words: str) -> None:
    done = await command("mosquitto_pub", server, "-V", version, "-t", "t", "-m", "x", "-q", "1")
    assert done.returncode != 0
    assert words in done.stderr.lower()
    assert server.bus.counters.refused == 1


class Paho:
    """A paho client on a thread of its own, with a session that is kept."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self.present: bool | None = None
        self.subscribed = threading.Event()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id="paho", clean_session=False)
        self.client.on_connect = self._connected
        self.client.on_message = lambda _client, _data, message: self.payloads.append(bytes(message.payload))
        self.client.on_subscribe = lambda *_: self.subscribed.set()

    def _connected(self, _client: Any, _data: Any, flags: Any, _code: Any, _properties: Any) -> None:
        self.present = flags.session_present

    async def connect(self, server: Server) -> None:
        await asyncio.to_thread(self.client.connect, "127.0.0.1", server.port)
        self.client.loop_start()
        await until(lambda: self.present is not None)

    async def leave(self) -> None:
        self.client.disconnect()
        await asyncio.to_thread(self.client.loop_stop)


@pytest.mark.covers("MQTT-3.1.2-4", "MQTT-4.3.3-1", "MQTT-4.3.3-2", "MQTT-3.2.2-2")
@served()
async def test_paho_at_qos_2_both_ways_with_a_session_that_is_kept(server: Server) -> None:
    client, publisher = Paho(), await server.join()
    await client.connect(server)
    assert client.present is False
    client.client.subscribe("t/#", 2)
    await asyncio.to_thread(client.subscribed.wait, 5)
    own = [client.client.publish("t/own", number, 2) for number in NUMBERED]
    await until(lambda: all(one.is_published() for one in own) and len(client.payloads) == COUNT)
    await client.leave()
    for number in NUMBERED:
        await send(publisher, "t/missed", number.encode(), qos=2)
    again = Paho()
    await again.connect(server)
    await until(lambda: len(again.payloads) == COUNT)
    assert again.present is True
    assert client.payloads == again.payloads == [number.encode() for number in NUMBERED]
    await again.leave()


@pytest.mark.covers("MQTT-4.3.3-2", "MQTT-4.4.0-1")
@served()
async def test_paho_whose_connection_breaks_delivers_each_message_once(server: Server) -> None:
    durable = server.bus.subscribe(["t"], qos=1, durable=True, buffer=200)
    client = Paho()
    await client.connect(server)
    sent = [client.client.publish("t", number, 2) for number in NUMBERED]
    await until(lambda: len(durable) >= 10)
    for connection in list(server.bus._registry.connections):
        connection.close(None, at_once=True)
    found: list[bytes] = []
    while len(found) < COUNT:
        for message in await durable.take(200):
            found.append(message.payload)
            await message.ack()
    await until(lambda: all(one.is_published() for one in sent))
    assert found == [number.encode() for number in NUMBERED]
    assert len(durable) == 0
    await client.leave()
