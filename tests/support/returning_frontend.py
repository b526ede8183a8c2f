"""A frontend with python-socketio that asks for what it missed, as `tests/js/returning.cjs` does with socket.io-client.

Usage: python -m tests.support.returning_frontend URL TRANSPORTS, with commas
"""

import asyncio
import sys
from typing import Any

import socketio  # type: ignore[import-untyped]


async def main(url: str, transports: str) -> None:
    client = socketio.AsyncClient()
    newest = 0

    def take(reading: dict[str, Any]) -> None:
        nonlocal newest
        if reading["id"] > newest:
            newest = reading["id"]
            print("reading", newest, flush=True)

    async def connected() -> None:
        print("connected", flush=True)
        await client.emit("frontend_request_history", {"after_id": newest, "limit": 1000})

    async def history(page: dict[str, Any]) -> None:
        for reading in page["data"]:
            take(reading)

    async def reading(data: dict[str, Any]) -> None:
        take(data)

    client.on("connect", connected)
    client.on("disconnect", lambda reason: print("disconnected:", reason, flush=True))
    client.on("history_data", history)
    client.on("new_sensor_data", reading)
    await client.connect(url, transports=transports.split(","))
    await client.wait()
    await client.shutdown()


asyncio.run(main(*sys.argv[1:]))
