"""Samples that were refused. All functions are synchronous and take a connection."""

import hashlib
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from storage.tables import PAYLOAD_KEPT, REJECTED_KEPT, Rejected


def insert_rejected(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep what was refused; of all of it the newest `REJECTED_KEPT`."""
    if not rows:
        return
    connection.execute(insert(Rejected), rows)
    newest = connection.execute(select(func.max(Rejected.id))).scalar_one()
    connection.execute(delete(Rejected).where(Rejected.id <= newest - REJECTED_KEPT))


def kept_payload(payload: bytes) -> dict[str, Any]:
    """The columns of `rejected` that hold a refused payload."""
    return {
        "payload": payload[:PAYLOAD_KEPT],
        "length": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
