"""Socket.IO frontends that are idle, busy, or do not read: `python -m bench.frontends [--quick]`."""

import asyncio
import contextlib
import json
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import aiohttp
import uvloop
from msgspec import Struct

from bench import report, wire
from bench.pipeline import Stack

_PATH: Final = "/socket.io/?EIO=4&transport=websocket"
_JOIN: Final = "40"
_PING: Final = "2"
_PONG: Final = "3"
_LIVE: Final = f'42["{wire.LIVE}",'
_SKIPPED: Final = '42["events_skipped",'
_AT_ONCE: Final = 50
"""Frontends that connect at the same time."""


class Plan(Struct, frozen=True):
    """`busy` frontends get `rate` readings a second of `devices`; `deaf` frontends do not read during a `backfill`."""

    idle: int = 2_000
    idle_s: float = 30
    busy: int = 200
    rate: int = 50
    busy_s: float = 30
    devices: int = 10
    deaf: int = 50
    backfill: int = 50_000


QUICK: Final = Plan(idle=20, idle_s=1, busy=5, rate=10, busy_s=2, deaf=2, backfill=1_000)


class Frontend:
    """Frontend that counts its readings, and keeps the age of each reading on arrival."""

    def __init__(self, joined: aiohttp.ClientWebSocketResponse) -> None:
        self.readings = 0
        self.skipped = 0
        self.ages_ms: list[float] = []
        self._socket = joined

    async def listen(self) -> None:
        """Read events until the connection ends."""
        async for message in self._socket:
            text = message.data
            if text == _PING:
                await self._socket.send_str(_PONG)
            elif text.startswith(_LIVE):
                self.readings += 1
                reading = json.loads(text[2:])[1]
                self.ages_ms.append((time.time() - datetime.fromisoformat(reading["timestamp"]).timestamp()) * 1_000)
            elif text.startswith(_SKIPPED):
                self.skipped += json.loads(text[2:])[1]["count"]


def measure(quick: bool) -> str:
    """Return the table: the three cases one after the other, each on a fresh server."""
    plan = QUICK if quick else Plan()
    rows = [*uvloop.run(_idle(plan)), *uvloop.run(_busy(plan)), *uvloop.run(_deaf(plan))]
    return report.table("Frontends", ["", ""], rows)


async def _idle(plan: Plan) -> list[list[str]]:
    async with _server() as (stack, session):
        empty_mb, before = stack.resident_mb(), stack.cpu_us()
        async with _frontends(session, stack, plan.idle):
            connect_us = (stack.settled_cpu_us() - before) / plan.idle
            held_mb, before = stack.resident_mb(), stack.cpu_us()
            await asyncio.sleep(plan.idle_s)
            cpu_ms = (stack.cpu_us() - before) / 1_000 / plan.idle_s
            return [
                _row("idle frontends", plan.idle),
                _row("CPU us a connect", connect_us),
                _row("KB of memory each", (held_mb - empty_mb) * 1_024 / plan.idle, 1),
                _row("CPU ms a second, all of them", cpu_ms, 1),
            ]


async def _busy(plan: Plan) -> list[list[str]]:
    async with _server() as (stack, session), _frontends(session, stack, plan.busy) as frontends:
        before = stack.settled_cpu_us()
        sent = await asyncio.to_thread(_publish, stack.port, plan)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while any(frontend.readings < sent for frontend in frontends):  # noqa: ASYNC110 - no event to wait for
                    await asyncio.sleep(0.05)
        cost_us = stack.settled_cpu_us() - before
        received = [frontend.readings for frontend in frontends]
        ages = sorted(age for frontend in frontends for age in frontend.ages_ms)
        return [
            _row("busy frontends", plan.busy),
            _row("readings a second", plan.rate),
            _row("readings sent", sent),
            _row("readings at the frontend that got least", min(received)),
            *(_row(f"reading to frontend ms, {name}", report.percentile(ages, share), 1) for name, share in _SHARES),
            _row("CPU us an event at a frontend, ingest included", cost_us / sum(received), 1),
        ]


async def _deaf(plan: Plan) -> list[list[str]]:
    """A backfill, with frontends that do not read beside one that does."""
    async with _server() as (stack, session), _frontends(session, stack, 1) as (listening,):
        deaf = [_deaf_socket(stack) for _ in range(plan.deaf)]
        before_mb = stack.resident_mb()
        async with asyncio.TaskGroup() as tasks:
            for number in range(plan.devices):
                tasks.create_task(_backfill(session, stack, number, plan.backfill // plan.devices))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while listening.readings + listening.skipped < plan.backfill:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
        after_mb = stack.resident_mb()
        for connection in deaf:
            connection.close()
        return [
            _row("frontends that do not read", plan.deaf),
            _row("readings backfilled meanwhile", plan.backfill),
            _row("memory before, MB", before_mb),
            _row("memory after, MB", after_mb),
            _row("memory at most, MB", stack.peak_mb()),
            _row("readings at the one that reads, sent or told to be skipped", listening.readings + listening.skipped),
        ]


_SHARES: Final = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0))


def _row(name: str, value: float, digits: int = 0) -> list[str]:
    return [name, report.middle([value], digits)]


@contextlib.asynccontextmanager
async def _server() -> AsyncIterator[tuple[Stack, aiohttp.ClientSession]]:
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield stack, session


@contextlib.asynccontextmanager
async def _frontends(session: aiohttp.ClientSession, stack: Stack, count: int) -> AsyncIterator[list[Frontend]]:
    """Yield `count` connected frontends that read."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def connect() -> Frontend:
        async with turns:
            return Frontend(await _joined(session, stack))

    frontends = await asyncio.gather(*(connect() for _ in range(count)))
    listening = [asyncio.create_task(frontend.listen()) for frontend in frontends]
    try:
        yield frontends
    finally:
        for task in listening:
            task.cancel()
        await asyncio.gather(*listening, return_exceptions=True)


async def _joined(session: aiohttp.ClientSession, stack: Stack) -> aiohttp.ClientWebSocketResponse:
    joined = await session.ws_connect(f"http://127.0.0.1:{stack.http_port}{_PATH}", max_msg_size=0)
    await joined.receive_str()
    await joined.send_str(_JOIN)
    await joined.receive_str()
    return joined


def _deaf_socket(stack: Stack) -> socket.socket:
    """Connect a frontend that never reads."""
    deaf = socket.create_connection(("127.0.0.1", stack.http_port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    upgrade = "Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13"
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    deaf.sendall(f"GET {_PATH} HTTP/1.1\r\n{upgrade}\r\n{key}\r\n\r\n".encode())
    deaf.recv(100)
    deaf.sendall(bytes((0x81, 0x80 | len(_JOIN))) + bytes(4) + _JOIN.encode())
    return deaf


def _publish(port: int, plan: Plan) -> int:
    """Publish samples at the plan's rate, each with its sending time; return their number."""
    with wire.Client(port, "devices") as client:
        start_s, count = time.monotonic(), round(plan.rate * plan.busy_s)
        for number in range(count):
            time.sleep(max(0.0, start_s + number / plan.rate - time.monotonic()))
            body = wire.payload(number, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
            client.socket.sendall(wire.publish(wire.topic(wire.device(number % plan.devices), wire.SENSOR), body))
        return count


async def _backfill(session: aiohttp.ClientSession, stack: Stack, device: int, count: int) -> None:
    url = f"http://127.0.0.1:{stack.http_port}/api/esp32/data"
    for first in range(0, count, 500):
        samples = [json.loads(wire.payload(seq)) for seq in range(first, min(first + 500, count))]
        async with session.post(url, json=[{**sample, "device_id": wire.device(device)} for sample in samples]) as response:
            assert response.status in (200, 201), await response.text()


if __name__ == "__main__":
    report.main(measure, __doc__)
