"""A broker for each test of the standard, and the clients that the test opens on it; all of them end with the test."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Concatenate, ParamSpec

from broker.embedded.bus import EmbeddedBus
from tests.support.mqtt.aio import run
from tests.support.mqtt.wire import (
    CONNACK,
    DISCONNECT,
    HOST,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    Client,
    acknowledge,
    connect,
    publish,
)

END_S = 3.0
"""Seconds that the broker may take to end."""
Case = ParamSpec("Case")
KEPT = connect("kept", clean=False)


class Server:
    """The broker, and clients that are closed with it."""

    def __init__(self, bus: EmbeddedBus, clients: AsyncExitStack) -> None:
        self.bus = bus
        self._clients = clients

    @property
    def port(self) -> int:
        return self.bus.port

    async def open(self, *sent: bytes) -> Client:
        """A connection on which `sent` has been sent."""
        client = await self._clients.enter_async_context(await Client.open(self.port))
        client.send(*sent)
        return client

    async def join(self, sent: bytes | None = None) -> Client:
        """A client that was accepted; without `sent` an anonymous clean session."""
        return await self._clients.enter_async_context(await Client.join(self.port, sent))

    async def watch(self, *filters: tuple[str, int]) -> Client:
        """A client that has subscribed."""
        client = await self.join()
        codes = await client.subscribed(*filters)
        assert codes == bytes(qos for _, qos in filters)
        return client

    async def present(self, sent: bytes) -> tuple[Client, bool]:
        """A client that was accepted, and whether its CONNACK says that a session was there."""
        client = await self.open(sent)
        answer = await client.expect(CONNACK)
        assert answer.body[1:] == b"\0"
        return client, bool(answer.body[0])


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Server]:
    """A broker on a free port; `options` are those of `EmbeddedBus`."""
    bus = await EmbeddedBus(HOST, 0, **options).__aenter__()
    try:
        await bus.open()
        async with AsyncExitStack() as clients:
            yield Server(bus, clients)
    finally:
        async with asyncio.timeout(END_S):
            await bus.close()


def served(
    **options: Any,
) -> Callable[[Callable[Concatenate[Server, Case], Coroutine[Any, Any, None]]], Callable[Case, None]]:
    """Make a test of a coroutine whose first argument is a `Server`."""

    def decorate(test: Callable[Concatenate[Server, Case], Coroutine[Any, Any, None]]) -> Callable[Case, None]:
        def wrapped(*args: Case.args, **kwargs: Case.kwargs) -> None:
            async def main() -> None:
                async with serving(**options) as server:
                    await test(server, *args, **kwargs)

            run(main)

        signature = inspect.signature(test)
        kept = signature.replace(parameters=list(signature.parameters.values())[1:], return_annotation=None)
        vars(wrapped).update(__signature__=kept, __doc__=test.__doc__)
        wrapped.__name__ = test.__name__
        return wrapped

    return decorate


async def gone(client: Client) -> None:
    """Take leave, and wait until the broker has closed."""
    client.send(DISCONNECT)
    await client.closed()


async def back(server: Server, client: Client) -> Client:
    """The connection of a client that sent `KEPT` breaks, and it comes again."""
    client.drop()
    client, present = await server.present(KEPT)
    assert present
    return client


async def send(
    client: Client, topic: str, payload: bytes = b"x", *, qos: int, packet_id: int = 1, retain: bool = False
) -> None:
    """Publish, with all that the QoS asks for; once it returns everybody has been sent the message."""
    client.send(publish(topic, payload, qos=qos, packet_id=packet_id, retain=retain))
    if qos == 0:
        await client.alive()
    elif qos == 1:
        await client.expect(PUBACK, packet_id)
    else:
        await client.expect(PUBREC, packet_id)
        client.send(acknowledge(PUBREL, packet_id))
        await client.expect(PUBCOMP, packet_id)


async def take(client: Client) -> tuple[str, bytes, int]:
    """The next message, with all that its QoS asks for: topic, payload, QoS."""
    found = await client.delivered()
    if found.qos == 1:
        client.send(acknowledge(PUBACK, found.packet_id))
    elif found.qos == 2:
        client.send(acknowledge(PUBREC, found.packet_id))
        await client.expect(PUBREL, found.packet_id)
        client.send(acknowledge(PUBCOMP, found.packet_id))
    return found.topic, found.payload, found.qos
