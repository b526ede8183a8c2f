"""Scenarios of MQTT clients: ways to connect, work and disconnect."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Final

from bench import wire
from bench.churn.links import Link
from bench.churn.mqtt import DISCONNECT, Client
from bench.churn.websocket import BINARY, WebSocket
from bench.churn.world import Ways, World

KEPT: Final = 20
"""Number of client identifiers with persistent sessions."""
_RARE: Final = (
    (wire.topic("+", wire.STATUS), wire.topic("+", wire.COMMAND)),
    (wire.topic("+", "stress_alert"), "other/+/topic"),
)
"""Filters with few messages: those queued for a disconnected session could else hide a slow growth of the memory."""
_FILTERS: Final = (*_RARE, (wire.topic("+", wire.LIVE),), ("stress/v1/#",))
_OFFLINE: Final = '{"status":"offline"}'
_ONLINE: Final = b'{"status":"online"}'


@contextlib.asynccontextmanager
async def _client(
    world: World, *, keep_alive_s: int = 60, client_id: str = "", clean: bool = True
) -> AsyncIterator[Client]:
    """Yield a connected client with a will; close its socket at the end."""
    stream = world.stream("mqtt")
    link = await world.open("mqtt", Link)
    try:
        client = Client(link, stream)
        will = (wire.topic(stream.device, wire.STATUS), _OFFLINE)
        await client.join(wire.connect(client_id, keep_alive_s, clean=clean, will=will))
        yield client
    finally:
        link.close()


async def _work(
    world: World, client: Client, filters: Sequence[Sequence[str]] = _FILTERS, qos: Sequence[int] = (1, 1, 1, 2)
) -> None:
    """Subscribe, publish the device's status, and send some samples."""
    chance = world.chance
    own = (wire.topic(client.stream.device, wire.ANSWER), wire.topic(client.stream.device, wire.COMMAND))
    await client.subscribe(*(own if chance.random() < 0.6 else chance.choice(filters)), qos=chance.randrange(3))
    client.link.send(wire.publish(wire.topic(client.stream.device, wire.STATUS), _ONLINE, retain=True))
    for _ in range(chance.randrange(6)):
        client.publish(qos=chance.choice(qos))
        await client.listen(chance.uniform(0.05, 1))
    if chance.random() < 0.2:
        client.publish_twice()
    await client.settle()


async def disconnect(world: World) -> None:
    """Send DISCONNECT, and wait for the end."""
    async with _client(world) as client:
        await _work(world, client)
        client.link.send(DISCONNECT)
        await client.link.ended()


async def close(world: World) -> None:
    """Close without DISCONNECT: the will is published."""
    async with _client(world) as client:
        await _work(world, client)


async def reset(world: World) -> None:
    """Reset the connection with samples in flight."""
    async with _client(world) as client:
        await _work(world, client)
        for _ in range(3):
            client.publish()
        await world.pause(0, 0.05)
        client.link.reset()


async def silent(world: World) -> None:
    """Stop sending, until the keep-alive ends the connection."""
    async with _client(world, keep_alive_s=2) as client:
        await _work(world, client)
        await client.link.ended()


async def deaf(world: World) -> None:
    """Subscribe to all readings, then neither read nor write; the keep-alive or a reset ends it."""
    async with _client(world, keep_alive_s=world.chance.choice((3, 60))) as client:
        await client.subscribe(wire.topic("+", wire.LIVE))
        await world.pause(5, 15)
        client.link.reset()


async def stranger(world: World) -> None:
    """End the connection before CONNECT."""
    link = await world.open("mqtt", Link)
    await world.pause(0, 3)
    world.chance.choice((link.close, link.reset))()


async def waiting_stranger(world: World) -> None:
    """Never send CONNECT, until the server ends the connection."""
    link = await world.open("mqtt", Link)
    try:
        await link.ended()
    finally:
        link.close()


async def cut_connect(world: World) -> None:
    """End the connection in the middle of CONNECT."""
    link = await world.open("mqtt", Link)
    link.send(wire.connect("in-the-middle", 60)[: world.chance.randrange(1, 20)])
    await world.pause(0, 3)
    world.chance.choice((link.close, link.reset))()


async def cut_publish(world: World) -> None:
    """End the connection in the middle of a PUBLISH."""
    async with _client(world) as client:
        await _work(world, client)
        sample = wire.publish(wire.topic(client.stream.device, wire.SENSOR), wire.payload(), qos=1, packet_id=1)
        client.link.send(sample[: world.chance.randrange(1, len(sample))])
        await world.pause(0, 2)
        world.chance.choice((client.link.close, client.link.reset))()


async def malformed(world: World) -> None:
    """Send a malformed packet."""
    async with _client(world) as client:
        client.link.send(bytes((0x36, 2, 0, 0)))
        await client.link.ended()


async def kept(world: World) -> None:
    """Continue a persistent session under one of a few names, and end the connection in any way."""
    chance = world.chance
    async with _client(world, client_id=f"kept{chance.randrange(KEPT)}", clean=chance.random() < 0.1) as client:
        await client.subscribe(*chance.choice(_RARE), qos=1)
        # At QoS 2 the client would have to resume an exchange that was interrupted before its PUBREL.
        await _work(world, client, filters=_RARE, qos=(1,))
        if chance.random() < 0.5:
            client.link.send(DISCONNECT)
        elif chance.random() < 0.5:
            client.link.reset()


async def taken_over(world: World) -> None:
    """Connect twice with the same client identifier: the server closes the first connection."""
    name = f"taken{world.chance.getrandbits(32):08x}"
    async with _client(world, client_id=name) as first, _client(world, client_id=name) as second:
        await asyncio.gather(first.link.ended(), _work(world, second))
        second.link.send(DISCONNECT)


async def in_frames(world: World) -> None:
    """Connect over WebSocket, and end the connection in any way."""
    stream = world.stream("mqtt")
    link = await world.open("mqtt", WebSocket)
    try:
        await link.upgrade("/mqtt", BINARY, ["Sec-WebSocket-Protocol: mqtt"])
        client = Client(link, stream)
        await client.join(wire.connect("", 60))
        await _work(world, client)
        world.chance.choice((link.leave, link.reset, link.close, lambda: link.send(DISCONNECT)))()
    finally:
        link.close()


WAYS: Final[Ways] = {
    disconnect: 20,
    close: 12,
    reset: 12,
    silent: 6,
    deaf: 3,
    stranger: 6,
    waiting_stranger: 1,
    cut_connect: 5,
    cut_publish: 6,
    malformed: 4,
    kept: 15,
    taken_over: 6,
    in_frames: 6,
}
