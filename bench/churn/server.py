"""`stresswire up` under churn, measured from outside."""

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench import wire
from bench.churn.ledger import Key
from bench.churn.links import Link
from bench.pipeline import Stack

_WARMED: Final = "warmed"
"""Device of the samples that warm the server up; they are not counted."""


class Server(Stack):
    """Server with measurements of its memory, threads, descriptors and rows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(folder)

    def anonymous_mb(self) -> float:
        """Return its resident memory that is not mapped from files."""
        return self._status_mb("RssAnon")

    def threads(self) -> int:
        """Return the number of its threads."""
        return len(list(Path(f"/proc/{self._process.pid}/task").iterdir()))

    def descriptors(self) -> list[str]:
        """Return the targets of its open descriptors, without the numbers of sockets and without the database's files."""
        kinds = []
        for number in Path(f"/proc/{self._process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                target = str(number.readlink())
                if not target.startswith(str(self._folder)):
                    kinds.append(target.partition(":[")[0])
        return sorted(kinds)

    def log(self) -> str:
        """Return its standard error so far."""
        return os.pread(self._errors.fileno(), 1 << 30, 0).decode(errors="replace")

    def keys(self) -> Iterator[Key]:
        """Yield the key of every row, without those of the warm-up."""
        with contextlib.closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
            query = "SELECT device_id, boot, seq FROM history_stress WHERE device_id != ?"
            yield from connection.execute(query, (_WARMED,))

    async def warm_up(self) -> None:
        """Send requests, so that threads, database connections and modules that stay are open before the measurement."""
        sample = f'{{"hr":75,"device_id":"{_WARMED}"}}'.encode()
        for _ in range(20):
            links = [await Link.open(self.http_port) for _ in range(20)]
            for number, link in enumerate(links):
                if number % 4:
                    link.ask("GET", ("/api/history?limit=1000", "/api/devices", "/healthz")[number % 3])
                else:
                    link.ask("POST", "/api/esp32/data", sample)
            for link in links:
                await link.answer()
                link.close()
        link = await Link.open(self.port)
        link.send(wire.connect("warm"))
        await link.some()
        link.close()
        await asyncio.sleep(2)

    async def emptied(self, before: list[str], timeout_s: float) -> list[str]:
        """Wait until only the descriptors of `before` are open; return those that are left at the timeout."""
        end_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            left = self.descriptors()
            for descriptor in before:
                if descriptor in left:
                    left.remove(descriptor)
            if not left or asyncio.get_running_loop().time() > end_s:
                return left
            await asyncio.sleep(1)

    async def sockets(self, timeout_s: float) -> int:
        """Wait until no Socket.IO socket is open; return the number left. Polling ones have no descriptor."""
        end_s = asyncio.get_running_loop().time() + timeout_s
        while True:
            link = await Link.open(self.http_port)
            link.ask("GET", "/metrics")
            _, body = await link.answer()
            link.close()
            left = int(float(body.split(b"\nstresswire_sockets ")[1].split()[0]))
            if not left or asyncio.get_running_loop().time() > end_s:
                return left
            await asyncio.sleep(1)
