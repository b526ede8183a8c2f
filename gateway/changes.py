"""What people change in the database: soon, or an answer that says that it is not known."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from broker.contract import ANSWER_TIMEOUT_S
from gateway.refused import RefusedError, database_away
from storage.writer import RowsRefusedError, Writer, WriterStoppedError

Result = TypeVar("Result")


async def change(writer: Writer, work: Callable[[Connection], Result]) -> Result:
    """Run `work` in a transaction and return what it returned. Raises `RefusedError` where the database does not take it in
    time: the writer does not give up, but whoever asked waits no longer.
    """
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await writer.run(work)
    except (TimeoutError, WriterStoppedError) as error:
        raise database_away("the database does not answer now: it may or may not be done") from error
    except RowsRefusedError as error:
        raise RefusedError(400, "invalid", f"the database does not take it: {error}") from error
