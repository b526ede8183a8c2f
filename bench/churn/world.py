"""State shared by all clients of a run, and their start at a given rate, up to a maximum number."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeVar

from bench import wire
from bench.churn.ledger import Ledger, Stream
from bench.churn.links import Link

Transport = Literal["mqtt", "socketio", "http"]
LOST: Final = (OSError, TimeoutError, asyncio.IncompleteReadError)
"""Errors of a connection that has ended."""
LIFE_S: Final = 70.0
"""Longest lifetime of a client."""
DEVICES: Final = 50
"""Number of devices: always the same ones, since the server keeps state for each."""
AnyLink = TypeVar("AnyLink", bound=Link)
Way = Callable[["World"], Awaitable[None]]
Ways = Mapping[Way, int]
"""Scenarios of a client, with their weights."""


class World:
    """The server's ports, the ledger, and counters: connections, clients that the server cut off, unexpected answers."""

    def __init__(self, mqtt_port: int, http_port: int, seed: int) -> None:
        self.mqtt_port = mqtt_port
        self.http_port = http_port
        self.ledger = Ledger()
        self.chance = random.Random(seed)  # noqa: S311 - nothing is kept secret
        self.made: Counter[Transport] = Counter()
        self.cut_off: Counter[str] = Counter()
        self.surprises: Counter[str] = Counter()
        self.turned_away = 0
        names = [wire.device(number) for number in range(DEVICES)]
        self._streams = {
            (transport, keyed): [
                self.ledger.stream(name, f"{transport}-{name}-{keyed:d}", idempotent=not keyed) for name in names
            ]
            for transport, keyed in (("mqtt", True), ("socketio", True), ("http", True), ("http", False))
        }

    def stream(self, transport: Transport, *, keyed: bool = True) -> Stream:
        """Return the stream of a random device."""
        return self.chance.choice(self._streams[transport, keyed])

    def streams(self, transport: Transport) -> list[Stream]:
        """Return the streams of all devices."""
        return self._streams[transport, True]

    async def open(self, transport: Transport, kind: type[AnyLink]) -> AnyLink:
        """Open a connection to the port of the transport; `kind` is the class of the connection."""
        plain_mqtt = transport == "mqtt" and kind is Link
        link = await kind.open(self.mqtt_port if plain_mqtt else self.http_port)
        self.made[transport] += 1
        return link

    async def pause(self, least_s: float, most_s: float) -> None:
        """Wait for a random time between the two."""
        await asyncio.sleep(self.chance.uniform(least_s, most_s))

    async def come(self, ways: Ways, rate: float, most: int) -> None:
        """Start clients, `rate` a second and at most `most` at once, until cancelled; then end all of them."""
        choices, weights = list(ways), list(ways.values())
        clients: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as tasks:
            while True:
                await asyncio.sleep(self.chance.expovariate(rate))
                if len(clients) >= most:
                    self.turned_away += 1
                    continue
                way = self.chance.choices(choices, weights)[0]
                task = tasks.create_task(self._live(way), name=way.__name__)
                clients.add(task)
                task.add_done_callback(clients.discard)

    async def _live(self, way: Way) -> None:
        try:
            async with asyncio.timeout(LIFE_S):
                await way(self)
        except LOST as error:
            self.cut_off[f"{way.__name__}: {type(error).__name__}"] += 1
