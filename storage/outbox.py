"""Messages that were committed and that no broker has yet. All functions are synchronous and take a connection."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from storage.tables import OutboxRow


class Unsent(NamedTuple):
    """A message in the outbox."""

    id: int
    device_id: str
    topic: str
    payload: bytes


def insert_unsent(connection: Connection, messages: Sequence[tuple[str, str, bytes]]) -> list[Unsent]:
    """Put messages (device, topic, payload) into the outbox, in their order."""
    if not messages:
        return []
    rows = [{"device_id": device_id, "topic": topic, "payload": payload} for device_id, topic, payload in messages]
    ids = connection.execute(insert(OutboxRow).returning(OutboxRow.id, sort_by_parameter_order=True), rows).scalars()
    return [Unsent(row_id, *message) for row_id, message in zip(ids, messages, strict=True)]


def unsent_after(connection: Connection, last_id: int, limit: int) -> list[Unsent]:
    """The oldest messages in the outbox after `last_id`."""
    columns = tuple(getattr(OutboxRow, name) for name in Unsent._fields)
    query = select(*columns).where(OutboxRow.id > last_id).order_by(OutboxRow.id).limit(limit)
    return [Unsent(*row) for row in connection.execute(query)]


def settle(connection: Connection, ids: Sequence[int]) -> None:
    """Take messages out of the outbox; those that are gone already do not matter."""
    connection.execute(delete(OutboxRow).where(OutboxRow.id.in_(ids)))
