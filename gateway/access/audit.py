"""What people change in the database: with who did it, and soon, or an answer that says that it is not known."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Connection

from broker.contract import ANSWER_TIMEOUT_S
from gateway.access.permissions import Caller
from gateway.errors import HttpError, database_away
from storage.audit import AuditEvent, append_event
from storage.writer import RowsRefusedError, Writer, WriterStoppedError

Result = TypeVar("Result")


def deed_of(visitor: Caller, at: datetime, action: str, subject: str, detail: str | None = None) -> AuditEvent:
    """What a visitor does, for the audit."""
    return AuditEvent(at, visitor.login, visitor.address, action, subject, detail)


async def change(writer: Writer, deed: AuditEvent, work: Callable[[Connection], Result]) -> Result:
    """Run `work` in a transaction that also keeps `deed`, and return what it returned. Raises `HttpError` where the
    database does not take it in time: the writer does not give up, but whoever asked waits no longer.
    """

    def transaction(connection: Connection) -> Result:
        result = work(connection)
        append_event(connection, deed)
        return result

    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await writer.run(transaction)
    except (TimeoutError, WriterStoppedError) as error:
        raise database_away("the database does not answer now: it may or may not be done") from error
    except RowsRefusedError as error:
        raise HttpError(400, "invalid", f"the database does not take it: {error}") from error
