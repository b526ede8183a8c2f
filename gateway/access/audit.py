"""Audit: each change that people make is stored together with who made it, and answered within a time limit."""

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


def audit_event(caller: Caller, at: datetime, action: str, subject: str, detail: str | None = None) -> AuditEvent:
    """Return the audit event of what a caller does."""
    return AuditEvent(at, caller.login, caller.address, action, subject, detail)


async def change(writer: Writer, event: AuditEvent, work: Callable[[Connection], Result]) -> Result:
    """Run `work` in a transaction that also stores `event`, and return its result.

    Raises `HttpError` if the database does not take it in time: the writer goes on trying, but the caller waits no longer.
    """

    def transaction(connection: Connection) -> Result:
        result = work(connection)
        append_event(connection, event)
        return result

    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_S):
            return await writer.run(transaction)
    except (TimeoutError, WriterStoppedError) as error:
        raise database_away("the database does not answer now: it may or may not be done") from error
    except RowsRefusedError as error:
        raise HttpError(400, "invalid", f"the database does not take it: {error}") from error
