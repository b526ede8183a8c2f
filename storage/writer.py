"""The writer's thread: each piece of work is one transaction, retried until the database takes it."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, IntegrityError

from broker.pacing.backoff import Backoff
from storage.database import AWAY, Database, reason_of
from storage.files import FilesChangedError

RETRY_FIRST_S = 0.2
RETRY_MOST_S = 5.0

Result = TypeVar("Result")


class RowsRefusedError(Exception):
    """The database works but refuses these rows: a retry does not help, isolating the rows does."""


class WriterStoppedError(Exception):
    """The writer was stopped while the database did not take the work: nothing of it is stored."""


class CrossedError(Exception):
    """Another writer stored a key between the look-up and the insert: the transaction runs again."""


class _NotTakenError(Exception):
    """The database takes nothing now; the message gives the reason."""


class Writer:
    """Runs transactions one after the other in a thread; an `async with` ends the thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, "storage writer")
        self._stopping = asyncio.Event()
        self._held: dict[object, str] = {}

    @property
    def state(self) -> str:
        """`ok`, or the error that holds work up; it stays until that work is stored, even if other work is."""
        return next(reversed(self._held.values()), "ok")

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one transaction and return what it returned, after the commit.

        While the database is away, full or locked the work is held and tried again.

        Raises:
            RowsRefusedError: a constraint or a value that the database does not take.
            WriterStoppedError: the database was away when `stop` was called.
        """
        backoff = Backoff(RETRY_FIRST_S, RETRY_MOST_S)
        held = object()
        try:
            while True:
                try:
                    result = await asyncio.get_running_loop().run_in_executor(self._thread, self._transaction, work)
                except CrossedError:
                    continue
                except (IntegrityError, DataError) as error:
                    raise RowsRefusedError(reason_of(error)) from error
                except _NotTakenError as error:
                    self._hold(held, str(error))
                    if self._stopping.is_set():
                        raise WriterStoppedError from error
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(backoff.next_s()):
                            await self._stopping.wait()
                else:
                    if self._held.keys() == {held}:
                        self._database.log_state("ok")
                    return result
        finally:
            self._held.pop(held, None)

    def stop(self) -> None:
        """Try each transaction once more at most from now on."""
        self._stopping.set()

    def _transaction(self, work: Callable[[Connection], Result]) -> Result:
        try:
            return self._stored(work)
        except (IntegrityError, DataError):
            raise
        except (*AWAY, FilesChangedError) as error:
            raise _NotTakenError(self._database.explain(error)) from error

    def _stored(self, work: Callable[[Connection], Result]) -> Result:
        """Run a transaction, with SQLite's files checked around the commit: a row in a deleted file is not stored."""
        files = self._database.files
        if files is None:
            with self._database.writer.begin() as connection:
                return work(connection)
        files.check()
        with self._database.writer.begin() as connection:
            result = work(connection)
            files.unchanged()
        files.check()
        return result

    def _hold(self, held: object, reason: str) -> None:
        self._database.log_state(reason)
        self._held[held] = reason

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A transaction that runs is committed or rolled back before the thread ends.
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)
