"""Messages that were committed and that no broker has yet. All functions are synchronous and take a connection."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection, bindparam, delete, insert, select

from storage.tables import OutboxRow


class OutboxMessage(NamedTuple):
    """A message for the outbox."""

    device_id: str
    topic: str
    payload: bytes


class Unsent(NamedTuple):
    """A message in the outbox."""

    id: int
    device_id: str
    topic: str
    payload: bytes


def insert_unsent(connection: Connection, messages: Sequence[tuple[str, str, bytes]]) -> list[Unsent]:
    """Put messages (device, topic, payload) into the outbox in order, and return them with their ids."""
    if not messages:
        return []
    rows = [{"device_id": device_id, "topic": topic, "payload": payload} for device_id, topic, payload in messages]
    ids = connection.execute(_INSERT, rows).scalars()
    return [Unsent(row_id, *message) for row_id, message in zip(ids, messages, strict=True)]


def unsent_after(connection: Connection, last_id: int, limit: int) -> list[Unsent]:
    """Return the oldest messages in the outbox after `last_id`, at most `limit`."""
    return [Unsent(*row) for row in connection.execute(_AFTER, {"last_id": last_id, "count": limit})]


def settle(connection: Connection, ids: Sequence[int]) -> None:
    """Delete messages from the outbox, if they are still there."""
    connection.execute(_DELETE, {"ids": ids})


_INSERT: Final = insert(OutboxRow).returning(OutboxRow.id, sort_by_parameter_order=True)
_AFTER: Final = (
    select(*(getattr(OutboxRow, name) for name in Unsent._fields))
    .where(OutboxRow.id > bindparam("last_id"))
    .order_by(OutboxRow.id)
    .limit(bindparam("count"))
)
_DELETE: Final = delete(OutboxRow).where(OutboxRow.id.in_(bindparam("ids", expanding=True)))
