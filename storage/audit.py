"""Who did what: rows that are only ever added. All functions are synchronous and take a connection."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select

from storage.tables import AuditRow

SUBJECT_KEPT = 64
DETAIL_KEPT = 500


class AuditEvent(NamedTuple):
    """What was done. `login` is None where no logins are needed, `address` at the command line."""

    at: datetime
    login: str | None
    address: str | None
    action: str
    subject: str | None = None
    detail: str | None = None


class AuditEntry(NamedTuple):
    """A deed with its number."""

    id: int
    deed: AuditEvent


def append_event(connection: Connection, deed: AuditEvent) -> None:
    """Keep a deed, in the transaction that does it."""
    subject = None if deed.subject is None else deed.subject[:SUBJECT_KEPT]
    detail = None if deed.detail is None else deed.detail[:DETAIL_KEPT]
    connection.execute(insert(AuditRow).values(deed._replace(subject=subject, detail=detail)._asdict()))


def audit_events(connection: Connection, limit: int, before_id: int | None = None) -> list[AuditEntry]:
    """The newest, newest first; `before_id` goes on from an earlier page."""
    columns: tuple[Any, ...] = tuple(getattr(AuditRow, field) for field in AuditEvent._fields)
    query = select(AuditRow.id, *columns).order_by(AuditRow.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(AuditRow.id < before_id)
    return [AuditEntry(row[0], AuditEvent(*row[1:])) for row in connection.execute(query)]
