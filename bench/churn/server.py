"""`stresswire up` under churn, seen from outside."""

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
"""A device of its own, so that it counts nowhere."""


class Server(Stack):
    """What it holds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        super().__init__(folder)

    def anonymous_mb(self) -> float:
        """Memory that is no file's."""
        return self._status_mb("RssAnon")

    def threads(self) -> int:
        """How many there are."""
        return len(list(Path(f"/proc/{self._process.pid}/task").iterdir()))

    def descriptors(self) -> list[str]:
        """What the open descriptors are, without the numbers of sockets; those of the database are not counted."""
        kinds = []
        for number in Path(f"/proc/{self._process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                target = str(number.readlink())
                if not target.startswith(str(self._folder)):
                    kinds.append(target.partition(":[")[0])
        return sorted(kinds)

    def log(self) -> str:
        """What it has said on its standard error."""
        return os.pread(self._errors.fileno(), 1 << 30, 0).decode(errors="replace")

    def keys(self) -> Iterator[Key]:
        """Of every row, but for those of the warming up."""
        with contextlib.closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True)) as connection:
            query = "SELECT device_id, boot, seq FROM history_stress WHERE device_id != ?"
            yield from connection.execute(query, (_WARMED,))

    async def warm_up(self) -> None:
        """Have threads and database connections opened, and modules imported, that stay from their first use on."""
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

    async def emptied(self, before: list[str], patience_s: float) -> list[str]:
        """Wait until no more descriptors are open than `before`; what is left."""
        end_s = asyncio.get_running_loop().time() + patience_s
        while True:
            left = self.descriptors()
            for one in before:
                if one in left:
                    left.remove(one)
            if not left or asyncio.get_running_loop().time() > end_s:
                return left
            await asyncio.sleep(1)

    async def sockets(self, patience_s: float) -> int:
        """Wait until no Socket.IO socket is open; how many are left. Those that only polled have no descriptor."""
        end_s = asyncio.get_running_loop().time() + patience_s
        while True:
            link = await Link.open(self.http_port)
            link.ask("GET", "/metrics")
            _, body = await link.answer()
            link.close()
            left = int(float(body.split(b"\nstresswire_sockets ")[1].split()[0]))
            if not left or asyncio.get_running_loop().time() > end_s:
                return left
            await asyncio.sleep(1)
