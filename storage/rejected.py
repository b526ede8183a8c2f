"""Samples that were rejected. All functions are synchronous and take a connection."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from storage.tables import PAYLOAD_KEPT, REJECTED_KEPT, Rejected


def insert_rejected(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Store rejected samples, and delete all but the newest `REJECTED_KEPT`."""
    if not rows:
        return
    connection.execute(_INSERT, rows)
    newest = connection.execute(_NEWEST).scalar_one()
    connection.execute(_DELETE_TO, {"last_id": newest - REJECTED_KEPT})


def kept_payload(payload: bytes) -> dict[str, Any]:
    """Return the columns that hold a rejected payload."""
    return {
        "payload": payload[:PAYLOAD_KEPT],
        "length": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
    }


_INSERT: Final = insert(Rejected)
_NEWEST: Final = select(func.max(Rejected.id))
_DELETE_TO: Final = delete(Rejected).where(Rejected.id <= bindparam("last_id"))
