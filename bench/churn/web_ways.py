"""Scenarios of HTTP clients: ways to connect, send requests and disconnect."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Final

from bench.churn.ledger import Stream
from bench.churn.links import Link, request
from bench.churn.world import Ways, World

_POST: Final = "/api/esp32/data"
_BATCH: Final = 5


@contextlib.asynccontextmanager
async def _link(world: World) -> AsyncIterator[Link]:
    link = await world.open("http", Link)
    try:
        yield link
    finally:
        link.close()


async def _post(world: World, link: Link, stream: Stream, number: int) -> None:
    """Send a sample, and check that the answer confirms it as stored, now or before."""
    key = [f"Idempotency-Key: {stream.header(number)}"] if stream.idempotent else []
    link.ask("POST", _POST, stream.sample(number).encode(), key)
    status, body = await link.answer()
    if status in (200, 201):
        stream.acknowledge(number)
    else:
        world.surprises[f"POST: {status} {body[:200].decode(errors='replace')}"] += 1


async def _batch(world: World, link: Link) -> None:
    stream = world.stream("http")
    numbers = [stream.next() for _ in range(_BATCH)]
    link.ask("POST", _POST, f"[{','.join(map(stream.sample, numbers))}]".encode())
    status, body = await link.answer()
    if status == 201:
        for number in numbers:
            stream.acknowledge(number)
    else:
        world.surprises[f"POST of a batch: {status} {body[:200].decode(errors='replace')}"] += 1


async def _get(world: World, link: Link) -> None:
    device = world.stream("http").device
    path = world.chance.choice(
        (
            "/healthz",
            "/api/devices",
            f"/api/devices/{device}",
            f"/api/history?device_id={device}&limit={world.chance.choice((10, 100))}",
            "/api/history?limit=50",
            f"/api/history?device_id={device}&resolution=auto",
            "/api/alerts",
            "/nowhere",
        )
    )
    link.ask("GET", path)
    status, body = await link.answer()
    if status != (404 if path == "/nowhere" else 200):
        world.surprises[f"GET {path.partition('?')[0]}: {status}"] += 1
    elif path.startswith("/api/history"):
        json.loads(body)


async def _any_request(world: World, link: Link) -> None:
    chance = world.chance.random()
    if chance < 0.5:
        stream = world.stream("http", keyed=world.chance.random() < 0.5)
        number = stream.next()
        await _post(world, link, stream, number)
        if chance < 0.05:
            await _post(world, link, stream, number)
    elif chance < 0.55:
        await _batch(world, link)
    else:
        await _get(world, link)


async def fresh(world: World) -> None:
    """Send one request on a new connection."""
    async with _link(world) as link:
        await _any_request(world, link)


async def keep_alive(world: World) -> None:
    """Send several requests on one connection."""
    async with _link(world) as link:
        for _ in range(world.chance.randrange(2, 30)):
            await _any_request(world, link)
            await world.pause(0.1, 1)


async def idle(world: World) -> None:
    """Send one request, and keep the connection idle."""
    async with _link(world) as link:
        await _any_request(world, link)
        await world.pause(5, 60)


async def cut_head(world: World) -> None:
    """End the connection in the middle of the request's head."""
    async with _link(world) as link:
        link.send(request("GET", "/api/devices")[: world.chance.randrange(0, 40)])
        await world.pause(0, 3)
        world.chance.choice((link.close, link.reset))()


async def cut_body(world: World) -> None:
    """End the connection in the middle of the request's body."""
    async with _link(world) as link:
        link.send(request("POST", _POST, 1_000) + b'{"hr":' + b" " * world.chance.randrange(900))
        await world.pause(0, 3)
        world.chance.choice((link.close, link.reset))()


async def slow_body(world: World) -> None:
    """Never finish the request's body, until the server ends the connection."""
    async with _link(world) as link:
        link.send(request("POST", _POST, 1_000) + b'{"hr":')
        await link.ended()


async def unanswered(world: World) -> None:
    """Reset the connection right after a sample, and send the same sample again on another one."""
    stream = world.stream("http", keyed=world.chance.random() < 0.5)
    number = stream.next()
    key = [f"Idempotency-Key: {stream.header(number)}"] if stream.idempotent else []
    async with _link(world) as link:
        link.ask("POST", _POST, stream.sample(number).encode(), key)
        await world.pause(0, 0.02)
        link.reset()
    async with _link(world) as link:
        await _post(world, link, stream, number)


async def cut_answer(world: World) -> None:
    """End the connection in the middle of a long response."""
    path = world.chance.choice(("/api/history?limit=1000", "/api/history?limit=1000", "/api/export?format=csv"))
    async with _link(world) as link:
        link.ask("GET", path)
        await link.some()
        await world.pause(0, 0.5)
        world.chance.choice((link.close, link.reset))()


WAYS: Final[Ways] = {
    fresh: 40,
    keep_alive: 12,
    idle: 3,
    cut_head: 8,
    cut_body: 8,
    slow_body: 2,
    unanswered: 10,
    cut_answer: 5,
}
