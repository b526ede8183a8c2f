"""MQTT over WebSocket: MQTT.js in a real browser, paho, and frames that are right or wrong."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.support.harness import Stack, mosquitto, node, wait_until
from tests.support.mqtt import wire


def address(stack: Stack) -> str:
    return f"ws://127.0.0.1:{stack.http_port}/mqtt"


def test_a_page_sends_a_sample_and_hears_of_it(stack: Stack) -> None:
    with node("mqtt-page.mjs", f"{stack.url}/api/websocket/test", address(stack)) as browser:
        assert browser.wait(60) == 0, browser.output
        told = json.loads(browser.lines[-1])
    assert told["granted"] == [1, 1]
    assert told["topics"] == ["stress/v1/PAGE/data_received", "stress/v1/PAGE/new_sensor_data"]
    assert stack.rows("SELECT device_id, hr FROM history_stress") == [("PAGE", 71.0)]
    assert stack.stop() == 0
    assert "Traceback" not in stack.output


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_paho_reaches_the_clients_on_tcp_and_back(shared_stack: Stack, qos: int) -> None:
    clients = [
        paho.Client(CallbackAPIVersion.VERSION2, transport=transport, client_id=f"{transport}{qos}")
        for transport in ("websockets", "tcp")
    ]
    heard: list[tuple[bytes, str]] = []
    ports = (shared_stack.http_port, shared_stack.mqtt_port)
    for client, port in zip(clients, ports, strict=True):
        name = client._client_id
        client.on_message = lambda _client, _data, message, name=name: heard.append((name, message.payload.decode()))
        client.ws_set_options(path="/mqtt")
        client.connect("127.0.0.1", port)
        client.loop_start()
        wait_until(client.is_connected)
        client.subscribe(f"t/{qos}", qos)
    try:
        clients[1].publish("nothing", qos=1).wait_for_publish(10)
        for number in range(20):
            for client in clients:
                client.publish(f"t/{qos}", f"{number}", qos)
        wait_until(lambda: len(heard) == 80)
    finally:
        for client in clients:
            client.disconnect()
            client.loop_stop()
    for client in clients:
        mine = [payload for name, payload in heard if name == client._client_id]
        assert sorted(mine) == sorted(str(number) for number in range(20) for _ in clients)


def over_socket(
    stack: Stack, test: Callable[[aiohttp.ClientWebSocketResponse], Coroutine[Any, Any, None]], **options: Any
) -> None:
    async def main() -> None:
        async with (
            asyncio.timeout(20),
            aiohttp.ClientSession() as session,
            session.ws_connect(address(stack), **{"protocols": ["mqtt"], "max_msg_size": 0, **options}) as socket,
        ):
            await test(socket)

    asyncio.run(main())


async def gone(socket: aiohttp.ClientWebSocketResponse) -> bool:
    """The broker closes, whatever it says before."""
    while (message := await socket.receive(5)).type is aiohttp.WSMsgType.BINARY:
        pass
    return message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)


def test_packets_may_be_cut_and_joined_as_frames_like(shared_stack: Stack) -> None:
    async def test(socket: aiohttp.ClientWebSocketResponse) -> None:
        assert socket.protocol == "mqtt"
        stream = wire.connect("cut") + wire.subscribe(("cut", 0)) + wire.publish("cut", b"x" * 300) + wire.PINGREQ
        for at in range(40):
            await socket.send_bytes(stream[at : at + 1])
        await socket.send_bytes(stream[40:])
        heard = b""
        while b"\xd0\x00" not in heard:
            heard += await socket.receive_bytes()
        assert heard.startswith(b"\x20\x02\x00\x00\x90\x03\x00\x01\x00")
        assert b"x" * 300 in heard
        await socket.send_bytes(wire.DISCONNECT)
        assert await gone(socket)

    over_socket(shared_stack, test)


def test_a_text_frame_ends_it(shared_stack: Stack) -> None:
    async def test(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_bytes(wire.connect("text"))
        await socket.send_str("hello")
        assert await gone(socket)

    over_socket(shared_stack, test)


def test_without_the_subprotocol_it_ends(shared_stack: Stack) -> None:
    async def test(socket: aiohttp.ClientWebSocketResponse) -> None:
        assert socket.protocol is None
        assert await gone(socket)

    over_socket(shared_stack, test, protocols=[])


def test_a_frame_over_the_limit_ends_it(shared_stack: Stack) -> None:
    async def test(socket: aiohttp.ClientWebSocketResponse) -> None:
        await socket.send_bytes(wire.connect("huge"))
        await socket.send_bytes(wire.publish("t", b"x" * 1_000_000))
        assert await gone(socket)

    over_socket(shared_stack, test)


def test_the_will_of_a_page_that_is_closed_goes_out(shared_stack: Stack) -> None:
    async def main() -> None:
        async with asyncio.timeout(20), await wire.Client.join(shared_stack.mqtt_port) as watcher:
            await watcher.subscribed(("will/+", 1))
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(address(shared_stack), protocols=["mqtt"]) as socket,
            ):
                await socket.send_bytes(wire.connect("page", will=("will/page", b"gone")))
                await socket.receive_bytes()
            assert (await watcher.delivered()).payload == b"gone"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Origin": "http://evil.example"}, 403), ({"Host": "evil.example"}, 403), ({"Origin": "http://localhost:3000"}, 101)],
)
def test_only_pages_that_may_connect_do(shared_stack: Stack, headers: dict[str, str], status: int) -> None:
    async def main() -> int:
        async with aiohttp.ClientSession() as session:
            try:
                async with session.ws_connect(address(shared_stack), protocols=["mqtt"], headers=headers):
                    return 101
            except aiohttp.WSServerHandshakeError as refused:
                return refused.status

    assert asyncio.run(main()) == status


def test_a_plain_get_is_told_what_is_spoken(shared_stack: Stack) -> None:
    async def main() -> tuple[int, str]:
        async with aiohttp.ClientSession() as session, session.get(f"{shared_stack.url}/mqtt") as response:
            return response.status, await response.text()

    status, text = asyncio.run(main())
    assert (status, "MQTT over WebSocket" in text) == (426, True)


def test_with_an_external_broker_there_is_none(tmp_path: Path) -> None:
    async def main(stack: Stack) -> int:
        async with aiohttp.ClientSession() as session, session.get(f"{stack.url}/mqtt") as response:
            return response.status

    with mosquitto(tmp_path) as url, Stack(tmp_path, mqtt_url=url) as stack:
        assert asyncio.run(main(stack)) == 404


def test_a_page_that_does_not_read_is_cut_off_and_costs_little(shared_stack: Stack) -> None:
    """Its answers pile up at its own side first; here at most what `WRITE_AHEAD` and the outbox allow."""

    async def main() -> None:
        async with (
            asyncio.timeout(40),
            await wire.Client.join(shared_stack.mqtt_port) as publisher,
            aiohttp.ClientSession() as session,
            session.ws_connect(address(shared_stack), protocols=["mqtt"]) as socket,
        ):
            await socket.send_bytes(wire.connect("deaf") + wire.subscribe(("deaf", 0)))
            await socket.receive_bytes()
            before = shared_stack.resident_mb()
            for _ in range(500):
                publisher.send(wire.publish("deaf", b"x" * 200_000))
                await publisher.writer.drain()
            await publisher.alive()
            assert shared_stack.resident_mb() - before < 40  # of 100 MB

    asyncio.run(main())
