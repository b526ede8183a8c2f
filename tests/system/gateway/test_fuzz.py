"""Ten thousand malformed and hostile packets over real WebSockets and polling: nobody else notices, and nothing is left."""

import asyncio
import json
import random
import string
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.support.harness import Frontend, Stack, wait_until
from tests.support.people import Guarded, ask

CASES = 10_000
A_CONNECTION = 25
DATABASE_FILES = 16
"""What reading the history opens, and keeps; the flood has some 600 connections."""
AT_ONCE = 8
SOCKET = "/socket.io/?EIO=4&transport=websocket"
NAMES = [
    "esp32_sensor_data",
    "frontend_request_history",
    "frontend_subscribe_alerts",
    "ping",
    "health_check",
    "annotate",
    "command_result",
    "connect",
    "disconnect",
    "message",
    "__proto__",
    "constructor",
    "",
    "data_received",
]
WORDS = ["hr", "temp", "eda", "device_id", "boot", "seq", "limit", "cursor", "resolution", "__proto__", "start", "label"]
SCALARS: list[object] = [
    None,
    True,
    0,
    -1,
    70,
    1e308,
    2**63,
    2**200,
    "",
    "a",
    "x" * 3_000,
    "\x00",
    "é",
    "NaN",
    "2024-12-10",
]
RAW = ["NaN", "Infinity", "-", "1e999", '"\\ud800"', "[" * 5_000, "{" * 5_000, '{"a":1,"a":2}', "'", "\\", "[,]", "nul"]


PLACEHOLDER = '{"_placeholder":true,"num":0}'
SHORT = ["0", "1", "2", "3", "4", "5", "6", "7", "0{}", '0{"token":5}', "1/", "2[]", "2{}", "2null"]


class Chance(random.Random):
    """Makes packets."""

    def json(self, depth: int = 0) -> object:
        kind = self.random()
        if depth > 3 or kind < 0.5:
            return self.choice(SCALARS)
        if kind < 0.75:
            return [self.json(depth + 1) for _ in range(self.randrange(4))]
        return {self.choice(WORDS): self.json(depth + 1) for _ in range(self.randrange(5))}

    def event(self) -> str:
        arguments = [self.choice(NAMES), *(self.json() for _ in range(self.randrange(3)))]
        number = self.choice(["", "", "0", "17", "9" * 120])
        return f"2{number}{json.dumps(arguments)}"

    def damaged(self) -> str:
        text = self.event()
        at = self.randrange(len(text) + 1)
        return text[:at] + self.choice([*RAW, "", self.choice(string.printable)]) + text[at + self.randrange(4) :]

    def socket_io(self) -> str:
        makers: list[Callable[[], str]] = [
            self.event,
            self.damaged,
            lambda: f'2["{self.choice(NAMES)}",{self.choice(RAW)}]',
            lambda: f"{self.randrange(10)}{self.choice(['', '/', '/admin,', '/a?b=c,', ','])}{json.dumps(self.json())}",
            lambda: f'5{self.choice([1, 2, 9, 10**9])}-["{self.choice(NAMES)}",{PLACEHOLDER}]',
            lambda: f"3{self.randrange(100)}{json.dumps([self.json()])}",
            lambda: self.choice(SHORT),
        ]
        return self.choice(makers)()

    def packet(self) -> str | bytes:
        kind = self.random()
        if kind < 0.8:
            return "4" + self.socket_io()
        if kind < 0.9:
            return self.choice(["0", "2", "3", "3probe", "2probe", "5", "6", "9", "", "b", "x" * 500, "4"])
        return self.randbytes(self.randrange(200))


async def hostile(session: aiohttp.ClientSession, chance: Chance, joins: bool) -> int:
    """One connection that sends packets until it is closed or has sent enough; how many it sent."""
    sent = 0
    async with session.ws_connect(SOCKET, max_msg_size=0) as client:
        await client.receive()
        if joins:
            await client.send_str("40")
        for _ in range(A_CONNECTION):
            packet = chance.packet()
            sent += 1
            try:
                await (client.send_str(packet) if isinstance(packet, str) else client.send_bytes(packet))
            except (ConnectionError, aiohttp.ClientError):
                break
    return sent


async def polling(session: aiohttp.ClientSession, chance: Chance) -> int:
    """The same as bodies of polling; no answer is an error of the server's own."""
    path = "/socket.io/?EIO=4&transport=polling"
    async with session.get(path) as opened:
        sid = json.loads((await opened.text())[1:])["sid"]
    sent = 0
    for _ in range(A_CONNECTION):
        packets = [chance.packet() for _ in range(chance.choice([1, 1, 3, 20]))]
        body = b"\x1e".join(one.encode(errors="replace") if isinstance(one, str) else one for one in packets)
        sent += len(packets)
        async with session.post(f"{path}&sid={sid}", data=body, headers={"Content-Type": "text/plain"}) as answer:
            assert answer.status < 500
            if answer.status != 200:
                break
    return sent


async def flood(stack: Stack, cases: int, seed: int) -> int:
    chance, sent = Chance(seed), 0
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(stack.url, timeout=timeout) as session:
        while sent < cases:
            others = (hostile(session, chance, joins=chance.random() < 0.8) for _ in range(AT_ONCE))
            sent += sum(await asyncio.gather(*others, polling(session, chance)))
    return sent


def descriptors(stack: Stack) -> int:
    return len(list(Path(f"/proc/{stack.pid}/fd").iterdir()))


@pytest.mark.parametrize("guarded", [False, True])
def test_ten_thousand_packets_hurt_nobody(tmp_path: Path, guarded: bool, cases: Callable[[str], None]) -> None:
    stack = Guarded(tmp_path).stack if guarded else Stack(tmp_path)
    with stack:
        before, before_mb = descriptors(stack), stack.resident_mb()
        if guarded:
            assert asyncio.run(flood(stack, CASES // 2, 2)) >= CASES // 2
        else:
            with Frontend(stack) as neighbour:
                assert asyncio.run(flood(stack, CASES // 2, 1)) >= CASES // 2
                neighbour.emit("ping", None)
                wait_until(lambda: len(neighbour.events("pong")) == 1)
                assert not any(line.startswith("disconnected") for line in neighbour.lines)
        cases(f"{CASES // 2} packets")
        assert ask(stack, "GET", "/readyz").body["status"] == "ok"
        wait_until(lambda: descriptors(stack) <= before + DATABASE_FILES)
        assert stack.resident_mb() - before_mb < 100
        assert stack.stop() == 0
        assert "Traceback" not in stack.output, stack.output[-3_000:]
