"""Long polling: what was gathered during an outage, bodies that are none, and clients that take little at once."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from engineio.packet import MESSAGE, Packet  # type: ignore[import-untyped]

from gateway.socketio.server import MAX_PACKETS, PACKETS_A_POLL, Waiting
from tests.support.harness import Process, Stack, node, wait_until
from tests.support.people import ask

PATH = "/socket.io/?EIO=4&transport=polling&type=esp32"
SAMPLE = '42["esp32_sensor_data",{"hr":70}]'


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("count", [60, 1_500])
def test_what_a_device_gathered_is_stored_whole(shared_stack: Stack, transport: str, count: int) -> None:
    with node("burst.cjs", shared_stack.http_port, transport, count) as device:
        device.wait_for(f"{count} answered")
        assert not any("transport" in line for line in device.lines), device.output
    page = ask(shared_stack, "GET", f"/api/history?limit=1000&device_id={transport}_{count}").body
    assert page["count"] == min(count, 1_000)


def test_an_answer_to_a_poll_is_one_that_older_clients_take(shared_stack: Stack) -> None:
    samples = [{"hr": 70, "device_id": "burst", "boot": "fedcba9876543210", "seq": seq} for seq in range(400)]
    frontend = [sys.executable, str(Path(__file__).parents[2] / "support" / "polling_frontend.py"), shared_stack.url]
    with Process(frontend) as listening:
        listening.wait_for("connected")
        assert ask(shared_stack, "POST", "/api/esp32/data", samples).status == 201
        wait_until(lambda: "received 400" in listening.lines)


def test_a_queue_gives_no_more_than_an_answer_holds() -> None:
    async def main() -> None:
        waiting = Waiting()
        packets = [Packet(MESSAGE, str(number)) for number in range(2 * PACKETS_A_POLL + 3)]
        for packet in packets:
            waiting.put_nowait(packet)
        answers: list[list[Packet]] = []
        while not waiting.empty():
            answers.append([await waiting.get()])
            try:
                while True:
                    answers[-1].append(waiting.get_nowait())
            except asyncio.QueueEmpty:
                pass
        assert [len(answer) for answer in answers] == [PACKETS_A_POLL, PACKETS_A_POLL, 3]
        assert [one for answer in answers for one in answer] == packets

    asyncio.run(main())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("\x1e".join([SAMPLE] * 17), 200),
        ("\x1e".join(["4x"] * MAX_PACKETS), 200),
        ("\x1e".join(["4x"] * (MAX_PACKETS + 1)), 413),
        ("4" + "x" * (257 * 1024), 413),
        (b"\xff", 400),
        ("x", 400),
        (f"{SAMPLE}\x1e\x1e{SAMPLE}", 400),
        ("d=", 400),
    ],
    ids=["seventeen", "most", "too many", "too long", "not UTF-8", "no packet", "an empty packet", "no JSONP"],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_bodies(shared_stack: Stack, body: str | bytes, status: int, chunked: bool) -> None:
    async def pieces(data: bytes) -> AsyncIterator[bytes]:
        yield data

    async def main() -> tuple[int, object]:
        async with aiohttp.ClientSession(shared_stack.url) as session:
            async with session.get(PATH) as opened:
                sid = json.loads((await opened.text())[1:])["sid"]
            data = body.encode() if isinstance(body, str) else body
            async with session.post(f"{PATH}&sid={sid}", data="40") as joined:
                assert joined.status == 200
            async with session.post(f"{PATH}&sid={sid}", data=pieces(data) if chunked else data) as answer:
                said = await answer.text()
                return answer.status, json.loads(said)["error"]["message"] if answer.status >= 400 else said

    found, said = asyncio.run(main())
    assert (found, bool(said)) == (status, True)
