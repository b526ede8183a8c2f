"""Reading and writing rows inside the writer's transaction. All functions are synchronous and take its connection."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, func, insert, select
from sqlalchemy.exc import DataError, IntegrityError

from broker.contract import StressLevel
from storage.database import insert_new, insert_or_replace, numbering, reason_of, rows_of
from storage.rollups import roll_up
from storage.tables import (
    PAYLOAD_KEPT,
    REJECTED_KEPT,
    Alert,
    BaselineReset,
    DeviceState,
    HistoryStress,
    OutboxRow,
    Rejected,
)
from storage.writer import CrossedError


class RecordKey(NamedTuple):
    """What is unique in the record."""

    device_id: str
    boot: str
    seq: int


class StoredReading(NamedTuple):
    """What a resend is compared with and answered from; `values` are hr, temp, eda."""

    id: int
    stress_level: StressLevel
    confidence: float
    values: tuple[float | None, float | None, float | None]


class Unsent(NamedTuple):
    """A message in the outbox."""

    id: int
    device_id: str
    topic: str
    payload: bytes


class ReplayedReading(NamedTuple):
    """What rebuilds a device's live state."""

    id: int
    timestamp: datetime
    received_at: datetime
    hr: float | None
    temp: float | None
    eda: float | None
    stress_probability: float
    quality: str
    alert_id: int | None
    """The alert that this reading raised, if it did."""


_h = HistoryStress


def stored(connection: Connection, keys: Sequence[RecordKey]) -> dict[RecordKey, StoredReading]:
    """Those of `keys` that are in the record already."""
    columns: tuple[Any, ...] = (
        _h.device_id,
        _h.boot,
        _h.seq,
        _h.id,
        _h.stress_level,
        _h.confidence,
        _h.hr,
        _h.temp,
        _h.eda,
    )
    wanted = rows_of(connection.dialect, {name: getattr(_h, name).type for name in RecordKey._fields}, keys)
    same = and_(_h.device_id == wanted.c.device_id, _h.boot == wanted.c.boot, _h.seq == wanted.c.seq)
    return {
        RecordKey(*row[:3]): StoredReading(row[3], row[4], row[5], (row[6], row[7], row[8]))
        for row in connection.execute(select(*columns).join(wanted, same))
    }


class Newest(NamedTuple):
    """The id of a device's newest row, 0 without one, and when somebody asked for a new baseline, if that is still due."""

    last_id: int
    reset_at: datetime | None


def newest(connection: Connection, device_ids: Sequence[str]) -> dict[str, Newest]:
    """How far the record of each device is."""
    given = rows_of(connection.dialect, {"device_id": _h.device_id.type}, [(device_id,) for device_id in device_ids])
    # A subquery for each, which both databases answer from the end of an index; grouped they would read all of it.
    last_id = select(func.max(_h.id)).where(_h.device_id == given.c.device_id).scalar_subquery()
    reset_at = select(BaselineReset.asked_at).where(BaselineReset.device_id == given.c.device_id).scalar_subquery()
    rows = connection.execute(select(given.c.device_id, last_id, reset_at))
    return {device_id: Newest(found or 0, asked_at) for device_id, found, asked_at in rows}


def reset_done(connection: Connection, device_id: str, asked_at: datetime) -> None:
    """The baseline has begun anew, as was asked for then; what was asked since is still due."""
    done = (BaselineReset.device_id == device_id, BaselineReset.asked_at == asked_at)
    connection.execute(delete(BaselineReset).where(*done))


def insert_readings(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[RecordKey, int]:
    """Store `rows` (a value for each column but `id`) and return their ids.

    Unsorted RETURNING, matched by the key: sorted it costs six times as much.

    Raises:
        CrossedError: a key was stored by another writer since it was looked up.
    """
    if not rows:
        return {}
    numbering(connection)
    statement = insert_new(connection.dialect, HistoryStress, RecordKey._fields).returning(
        _h.id, _h.device_id, _h.boot, _h.seq
    )
    ids = {RecordKey(*row[1:]): row[0] for row in connection.execute(statement, rows)}
    if len(ids) != len(rows):
        raise CrossedError
    roll_up(connection, rows)
    return ids


def refused_one_by_one(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[RecordKey, str]:
    """Insert each of `rows` in a savepoint; for those that the database refuses, its reason."""
    refused: dict[RecordKey, str] = {}
    for row in rows:
        try:
            with connection.begin_nested():
                insert_readings(connection, [row])
        except (IntegrityError, DataError) as error:
            refused[RecordKey(row["device_id"], row["boot"], row["seq"])] = reason_of(error)
    return refused


def insert_alert(connection: Connection, row: dict[str, Any]) -> int:
    """Store one alert and return its id."""
    return connection.execute(insert(Alert).returning(Alert.id), row).scalar_one()


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


class StoredState(NamedTuple):
    """A device's snapshot, and the id of the last row in it."""

    last_id: int
    saved_at: datetime
    state: bytes


def load_state(connection: Connection, device_id: str) -> StoredState | None:
    """A device's snapshot, if one was taken."""
    query = select(DeviceState.last_id, DeviceState.saved_at, DeviceState.state)
    row = connection.execute(query.where(DeviceState.device_id == device_id)).one_or_none()
    return None if row is None else StoredState(*row)


def save_state(
    connection: Connection,
    device_id: str,
    last_id: int,
    saved_at: datetime,
    state: bytes,
    baseline: str | None = None,
) -> None:
    """Replace a device's snapshot."""
    row = {"device_id": device_id, "last_id": last_id, "saved_at": saved_at, "state": state, "baseline": baseline}
    connection.execute(insert_or_replace(connection.dialect, DeviceState, "device_id"), row)


def readings_after(connection: Connection, device_id: str, last_id: int) -> Iterator[ReplayedReading]:
    """A device's rows after `last_id`, in the order in which they were stored."""
    columns = (_h.id, _h.timestamp, _h.received_at, _h.hr, _h.temp, _h.eda, _h.stress_probability, _h.quality, Alert.id)
    raised = and_(Alert.record_id == _h.id, Alert.device_id == device_id, Alert.state == "raised")
    query = select(*columns).outerjoin(Alert, raised).where(_h.device_id == device_id, _h.id > last_id).order_by(_h.id)
    return (ReplayedReading(*row) for row in connection.execute(query))
