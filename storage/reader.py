"""Reading in threads beside the loop."""

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
"""Where the network swallows what we send, nothing else would say so for ten seconds."""


class Reader:
    """Short transactions that read; an `async with` ends the threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads = ThreadPoolExecutor(READERS, "storage reader")

    async def state(self) -> str:
        """`ok` where the database answers and its files are in order, else what is wrong; within `STATE_S`."""
        try:
            async with asyncio.timeout(STATE_S):
                state = await asyncio.get_running_loop().run_in_executor(self._threads, self._look)
        except TimeoutError:
            state = "does not answer"
        self._database.tell(state)
        return state

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """What `work` returns, in a transaction of its own. Raises SQLAlchemy's errors."""

        def transaction() -> Result:
            with self._database.reader.connect() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._threads, transaction)

    def _look(self) -> str:
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
