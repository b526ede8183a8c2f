"""Transactions that read, in threads."""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection, text

from storage.database import AWAY, READERS, Database

Result = TypeVar("Result")
STATE_S = 3.0
"""Timeout of the health check: if packets are lost, the connection's own timeouts take ten seconds."""


class Reader:
    """Runs short transactions that read; an `async with` ends the threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(READERS, "storage reader")

    async def state(self) -> str:
        """Return `ok` if the database answers and its files are in order, else the error; within `STATE_S`."""
        try:
            async with asyncio.timeout(STATE_S):
                state = await asyncio.get_running_loop().run_in_executor(self._threads, self._check)
        except TimeoutError:
            state = "does not answer"
        self._database.log_state(state)
        return state

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in a transaction and return its result. Raises SQLAlchemy's errors."""

        def transaction() -> Result:
            with self._database.reader.connect() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._threads, transaction)

    def _check(self) -> str:
        try:
            if self._database.files is not None:
                self._database.files.look()
            with self._database.reader.connect() as connection:
                connection.execute(text("SELECT 1")).scalar_one()
        except (*AWAY, sqlite3.Error) as error:
            return self._database.explain(error)
        return "ok"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._threads.shutdown)
