"""Exports that their clients cut off: nothing of them waits for a garbage collection."""

import asyncio
import gc
import socket
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import Row

from gateway.access.forwarded import Peer
from gateway.access.permissions import Caller
from gateway.access.rate_limit import Limits
from gateway.http.routes.history import HistoryRoutes
from gateway.http.routing import CALLER, Endpoints
from storage.database import Database
from storage.history import History
from storage.readings import insert_readings
from tests.support.rows import row

READINGS = 20_000
BATCH = 5_000
CUT_OFF = 5


@web.middleware
async def known(request: web.Request, handler: Any) -> web.StreamResponse:
    request[CALLER] = Caller(Peer("127.0.0.1", secure=False), free=True)
    response: web.StreamResponse = await handler(request)
    return response


async def cut_off(port: int) -> None:
    """Go away with the first bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /api/export?format=jsonl HTTP/1.1\r\nHost: x\r\n\r\n")
    assert await reader.read(10)
    writer.transport.abort()


async def serve_who_goes_away(database: Database) -> None:
    async with History(database) as history:
        app = web.Application(middlewares=[known])
        HistoryRoutes(history).add_to(Endpoints(app, Limits(1e6, 1e6, lambda: 0.0)))
        runner = web.AppRunner(app, shutdown_timeout=20)
        await runner.setup()
        listening = socket.create_server(("127.0.0.1", 0))
        await web.SockSite(runner, listening).start()
        try:
            for _ in range(CUT_OFF):
                await cut_off(listening.getsockname()[1])
                await asyncio.sleep(0.5)
        finally:
            await runner.cleanup()


def test_rows_of_an_export_that_was_cut_off_are_not_kept(tmp_path: Path) -> None:
    with Database(f"sqlite:///{tmp_path}/var/stresswire.db") as database:
        with database.writer.begin() as connection:
            for first in range(0, READINGS, BATCH):
                insert_readings(connection, [row(first + number) for number in range(BATCH)])
        gc.collect()
        gc.disable()
        try:
            asyncio.run(serve_who_goes_away(database))
            assert not any(isinstance(one, Row) for one in gc.get_objects())
        finally:
            gc.enable()
