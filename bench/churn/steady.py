"""Devices that stay connected, and send as many samples as the other clients lack to the planned total rate."""

import asyncio
from typing import Final

from bench import wire
from bench.churn.links import Link
from bench.churn.mqtt import ANSWER_S, DISCONNECT, Client
from bench.churn.world import World

_TICK_S: Final = 0.05
_KEEP_ALIVE_S: Final = 60
_WAITING: Final = 400
"""Maximum number of samples in flight, of all steady devices together."""


class Steady:
    """All steady devices. The run fails if the server ends the connection of one of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._clients: list[Client] = []

    async def run(self, rate: float, ending: asyncio.Event) -> None:
        """Raise the total of all transports to `rate` samples a second until `ending`, then disconnect."""
        for stream in self._world.streams("mqtt"):
            client = Client(await self._world.open("mqtt", Link), stream)
            await client.join(wire.connect(f"steady-{stream.device}", _KEEP_ALIVE_S))
            await client.subscribe(wire.topic(stream.device, wire.ANSWER), wire.topic(stream.device, wire.COMMAND))
            self._clients.append(client)
        listening = [asyncio.create_task(self._listen(client)) for client in self._clients]
        filling = asyncio.create_task(self._fill(rate, ending))
        done, _ = await asyncio.wait([filling, *listening], return_when=asyncio.FIRST_COMPLETED)
        for task in listening:
            task.cancel()
        if filling not in done:
            filling.cancel()
        await asyncio.gather(filling, *listening, return_exceptions=True)
        for task in done:
            task.result()
        for client in self._clients:
            client.link.send(DISCONNECT)
            client.link.close()

    async def _listen(self, client: Client) -> None:
        while True:
            await client.process_next()

    async def _fill(self, rate: float, ending: asyncio.Event) -> None:
        now_s = asyncio.get_running_loop().time
        start_s, turn, ledger = now_s(), 0, self._world.ledger
        while not ending.is_set():
            await asyncio.sleep(_TICK_S)
            waiting = sum(len(client.waiting) for client in self._clients)
            missing = int(rate * (now_s() - start_s)) - ledger.acknowledged - waiting
            for _ in range(min(missing, _WAITING - waiting)):
                self._clients[turn % len(self._clients)].publish()
                turn += 1
        async with asyncio.timeout(ANSWER_S):
            while any(client.waiting for client in self._clients):  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(_TICK_S)
