"""One run: a server, clients that connect and disconnect, and a check for leaks at the end."""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench.churn import mqtt_ways, socket_ways, web_ways
from bench.churn.complaints import tracebacks
from bench.churn.curve import MB_DIGITS, Point
from bench.churn.ledger import Account
from bench.churn.server import Server
from bench.churn.steady import Steady
from bench.churn.world import World

EVERY_S: Final = 10.0
NOTICED_S: Final = 180.0
"""Longest time until the server has noticed every lost connection."""
STORED_S: Final = 15.0
"""Time after which a sample without an acknowledgement is stored, or never will be."""
_LOG_SHOWN: Final = 3_000


class Plan(Struct, frozen=True):
    """`rate` is in samples a second of all transports, `mqtt`, `socketio` and `http` in new clients a second; `most` is the
    maximum number of clients of a transport.
    """

    minutes: float
    rate: int = 200
    mqtt: float = 12
    socketio: float = 6
    http: float = 10
    most: int = 150
    seed: int = 1


class Result(Struct, frozen=True):
    """Result of a run. `left` are descriptors; `cpu` of the server and `own_cpu` of the load are shares of a core."""

    points: list[Point]
    account: Account
    left: list[str]
    sockets_left: int
    tracebacks: Counter[str]
    cpu: float
    own_cpu: float
    world: World
    log: str

    @property
    def good(self) -> bool:
        """True if no sample was lost, and no descriptor, socket or traceback is left."""
        return self.account.clean and not (self.left or self.sockets_left or self.tracebacks)


async def run(plan: Plan, report: Callable[[Point], None]) -> Result:
    """Start a server, run the clients until the time is over, and return the result; call `report` with each point."""
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder)) as server:
        await server.warm_up()
        before = server.descriptors()
        world = World(server.port, server.http_port, plan.seed)
        points: list[Point] = []
        start_s, cpu_us, own_s = time.monotonic(), server.cpu_us(), time.process_time()
        try:
            await _churn(server, world, plan, points, report)
        except BaseExceptionGroup:
            print(server.log()[-_LOG_SHOWN:], file=sys.stderr)
            raise
        seconds = time.monotonic() - start_s
        cpu = (server.cpu_us() - cpu_us) / 1e6 / seconds
        own_cpu = (time.process_time() - own_s) / seconds
        await asyncio.sleep(STORED_S)
        left = await server.emptied(before, NOTICED_S)
        sockets_left = await server.sockets(NOTICED_S)
        log = server.log()
        account = world.ledger.account(server.keys())
        return Result(points, account, left, sockets_left, tracebacks(log), cpu, own_cpu, world, log)


async def _churn(server: Server, world: World, plan: Plan, points: list[Point], report: Callable[[Point], None]) -> None:
    """Run the clients until the time is over. Raises an exception group if the server or the load fails."""
    ending = asyncio.Event()
    kinds = ((mqtt_ways.WAYS, plan.mqtt), (socket_ways.WAYS, plan.socketio), (web_ways.WAYS, plan.http))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(Steady(world).run(plan.rate, ending), name="steady devices")
        coming = [tasks.create_task(world.come(ways, rate, plan.most)) for ways, rate in kinds]
        await _watch(server, world, plan.minutes * 60, points, report)
        for task in coming:
            task.cancel()
        ending.set()


async def _watch(
    server: Server, world: World, seconds: float, points: list[Point], report: Callable[[Point], None]
) -> None:
    start_s, before_us, before_s = time.monotonic(), server.cpu_us(), time.monotonic()
    due_s = start_s
    while due_s < start_s + seconds:
        due_s = min(due_s + EVERY_S, start_s + seconds)
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        now_s, cpu_us = time.monotonic(), server.cpu_us()
        points.append(
            Point(
                seconds=round(now_s - start_s, 1),
                resident_mb=round(server.resident_mb(), MB_DIGITS),
                anonymous_mb=round(server.anonymous_mb(), MB_DIGITS),
                descriptors=len(server.descriptors()),
                threads=server.threads(),
                mqtt=world.made["mqtt"],
                socketio=world.made["socketio"],
                http=world.made["http"],
                acknowledged=world.ledger.acknowledged,
                cpu_percent=round((cpu_us - before_us) / 1e4 / (now_s - before_s), 1),
            )
        )
        before_us, before_s = cpu_us, now_s
        report(points[-1])
