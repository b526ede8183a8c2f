"""Scenarios of Socket.IO clients: ways to connect, work and disconnect."""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from bench.churn.sockets import Client, Kind, Polling, Streaming, Transport, poll_in, stream_in, upgraded
from bench.churn.world import Ways, World

STAY_S: Final = 40.0
"""Longest time until a client that has left the namespace closes its socket."""
_QUESTIONS: Final = (
    '42["frontend_request_history",{"limit":20}]',
    '42["frontend_subscribe_alerts"]',
    '42["health_check"]',
    '42["ping"]',
)


@contextlib.asynccontextmanager
async def _wire(world: World, kind: Kind) -> AsyncIterator[Transport]:
    """Yield any transport: WebSocket, long polling, or WebSocket after long polling as in a browser."""
    choice = world.chance.random()
    carrier: Streaming | Polling = await (stream_in if choice < 0.45 else poll_in)(world, kind)
    carriers: list[Transport] = [carrier]
    try:
        if choice > 0.75 and isinstance(carrier, Polling):
            carriers.append(await upgraded(world, carrier))
        yield carriers[-1]
    finally:
        for opened in carriers:
            opened.close()


def _kind(world: World) -> Kind:
    return world.chance.choice(("esp32", "frontend"))


@contextlib.asynccontextmanager
async def _joined(world: World, kind: Kind) -> AsyncIterator[Client]:
    async with _wire(world, kind) as carrier:
        client = Client(carrier, world.stream("socketio"))
        await client.join()
        yield client


async def _work(world: World, client: Client, kind: Kind) -> None:
    """Send samples as a device, or requests as a frontend."""
    for _ in range(world.chance.randrange(1, 6)):
        if kind == "esp32":
            await client.sample()
        else:
            await client.wire.send(world.chance.choice(_QUESTIONS))
        await client.listen(world.chance.uniform(0.1, 1))


async def say_goodbye(world: World) -> None:
    """Leave the namespace, then end the transport."""
    kind = _kind(world)
    async with _joined(world, kind) as client:
        await _work(world, client, kind)
        await client.leave_namespace()
        client.wire.leave()


async def leave(world: World) -> None:
    """End the transport."""
    kind = _kind(world)
    async with _joined(world, kind) as client:
        await _work(world, client, kind)
        client.wire.leave()


async def close_socket(world: World) -> None:
    """Close the connection without a closing packet."""
    kind = _kind(world)
    async with _joined(world, kind) as client:
        await _work(world, client, kind)


async def abort(world: World) -> None:
    """Reset the connection with an answer in flight."""
    kind = _kind(world)
    async with _joined(world, kind) as client:
        await _work(world, client, kind)
        await client.wire.send(_QUESTIONS[0])
        client.wire.reset()


async def go_over(world: World) -> None:
    """Join over long polling, then upgrade to WebSocket, or reset the connection in the middle of it."""
    kind, whole = _kind(world), world.chance.random() < 0.7
    polling = await poll_in(world, kind)
    carriers: list[Transport] = [polling]
    try:
        client = Client(polling, world.stream("socketio"))
        await client.join()
        await _work(world, client, kind)
        carriers.append(await upgraded(world, polling, whole=whole))
        if whole:
            client.wire = carriers[-1]
            await _work(world, client, kind)
            client.wire.leave()
        else:
            carriers[-1].reset()
    finally:
        for opened in carriers:
            opened.close()


async def never_join(world: World) -> None:
    """Connect without joining, and end the connection after a while."""
    async with _wire(world, _kind(world)) as carrier:
        await world.pause(0, 5)
        world.chance.choice((carrier.close, carrier.reset, carrier.leave))()


async def wait_to_be_closed(world: World) -> None:
    """Connect without joining, until the server closes the socket."""
    streaming = await stream_in(world, _kind(world))
    try:
        await streaming.link.ended()
    finally:
        streaming.close()


async def leave_and_stay(world: World) -> None:
    """Leave the namespace, and keep the socket."""
    kind = _kind(world)
    async with _joined(world, kind) as client:
        await _work(world, client, kind)
        await client.leave_namespace()
        await client.listen(world.chance.uniform(5, STAY_S))
        world.chance.choice((client.wire.leave, client.wire.close, client.wire.reset))()


async def leave_and_rejoin(world: World) -> None:
    """Leave the namespace and join again, on the same socket."""
    kind = _kind(world)
    async with _joined(world, kind) as client:
        for _ in range(world.chance.randrange(1, 4)):
            await _work(world, client, kind)
            await client.leave_namespace()
            await client.listen(world.chance.uniform(0, 2))
            await client.join()
        await _work(world, client, kind)
        client.wire.leave()


async def half_open(world: World) -> None:
    """Stop reading and writing, until the server or the client ends the connection."""
    kind = _kind(world)
    async with _joined(world, kind) as client:
        await _work(world, client, kind)
        await world.pause(2, 60)
        client.wire.reset()


async def stop_polling(world: World) -> None:
    """Join over long polling, then end the connections: only the missing pong tells the server."""
    kind = _kind(world)
    polling = await poll_in(world, kind)
    try:
        client = Client(polling, world.stream("socketio"))
        await client.join()
        await _work(world, client, kind)
        if world.chance.random() < 0.5:
            polling.ask()
            await world.pause(0, 1)
    finally:
        world.chance.choice((polling.close, polling.reset))()


async def cut_frame(world: World) -> None:
    """End the connection in the middle of a frame."""
    streaming = await stream_in(world, "frontend")
    try:
        client = Client(streaming, world.stream("socketio"))
        await client.join()
        streaming.link.half(_QUESTIONS[0].encode())
        await world.pause(0, 1)
    finally:
        world.chance.choice((streaming.close, streaming.reset))()


WAYS: Final[Ways] = {
    say_goodbye: 14,
    leave: 14,
    close_socket: 12,
    abort: 10,
    go_over: 10,
    never_join: 8,
    wait_to_be_closed: 1,
    leave_and_stay: 3,
    leave_and_rejoin: 8,
    half_open: 2,
    stop_polling: 3,
    cut_frame: 5,
}
