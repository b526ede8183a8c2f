"""The audit: rows that are only ever added. All functions are synchronous and take a connection."""

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select

from storage.tables import AuditRow

SUBJECT_KEPT = 64
DETAIL_KEPT = 500


class AuditEvent(NamedTuple):
    """An action on the system. `login` is None if no logins are needed, `address` at the command line."""

    at: datetime
    login: str | None
    address: str | None
    action: str
    subject: str | None = None
    detail: str | None = None


class AuditEntry(NamedTuple):
    """An event with its id."""

    id: int
    event: AuditEvent


def append_event(connection: Connection, event: AuditEvent) -> None:
    """Store an event, in the transaction that it tells of."""
    subject = None if event.subject is None else event.subject[:SUBJECT_KEPT]
    detail = None if event.detail is None else event.detail[:DETAIL_KEPT]
    connection.execute(insert(AuditRow).values(event._replace(subject=subject, detail=detail)._asdict()))


def audit_events(connection: Connection, limit: int, before_id: int | None = None) -> list[AuditEntry]:
    """Return the newest events, newest first; `before_id`: those before an earlier page's last."""
    columns: tuple[Any, ...] = tuple(getattr(AuditRow, field) for field in AuditEvent._fields)
    query = select(AuditRow.id, *columns).order_by(AuditRow.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(AuditRow.id < before_id)
    return [AuditEntry(row[0], AuditEvent(*row[1:])) for row in connection.execute(query)]
