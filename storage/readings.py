"""Rows of the readings' table. All functions are synchronous and take a connection."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Insert, Row, Select, and_, bindparam, select
from sqlalchemy.exc import DataError, IntegrityError

from broker.contract import SENSORS, Quality, StressLevel
from storage.database import reason_of
from storage.dialects import each_dialect, given, given_rows, insert_new, share_id_lock
from storage.rollups import roll_up
from storage.tables import Alert, HistoryStress, quality_of
from storage.writer import CrossedError


class RecordKey(NamedTuple):
    """The unique key of a reading."""

    device_id: str
    boot: str
    seq: int


class StoredReading(NamedTuple):
    """The columns that a resend is compared with and answered from; `values` are hr, temp, eda."""

    id: int
    stress_level: StressLevel
    confidence: float
    values: tuple[float | None, float | None, float | None]


class ReplayedReading(NamedTuple):
    """The columns that recovery of a device's state needs."""

    id: int
    timestamp: datetime
    received_at: datetime
    hr: float | None
    temp: float | None
    eda: float | None
    stress_probability: float
    quality: tuple[Quality, ...]
    alert_id: int | None
    """The alert that this reading raised, if it did."""


_h = HistoryStress


def find_readings(connection: Connection, keys: Sequence[RecordKey]) -> dict[RecordKey, StoredReading]:
    """Return the stored readings among `keys`."""
    if not keys:
        return {}
    dialect = connection.dialect.name
    return {
        RecordKey(*row[:3]): StoredReading(row[3], row[4], row[5], (row[6], row[7], row[8]))
        for row in connection.execute(_BY_KEY[dialect], given(dialect, keys))
    }


def insert_readings(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[RecordKey, int]:
    """Store `rows` (a value for each column but `id`) and return their ids.

    Unsorted RETURNING, matched by the key: sorted it costs six times as much.

    Raises:
        CrossedError: a key was stored by another writer since it was looked up.
    """
    if not rows:
        return {}
    share_id_lock(connection)
    # One row as such: SQLAlchemy's way of inserting many and returning their ids costs as much again.
    parameters = rows[0] if len(rows) == 1 else rows
    ids = {RecordKey(*row[1:]): row[0] for row in connection.execute(_INSERT[connection.dialect.name], parameters)}
    if len(ids) != len(rows):
        raise CrossedError
    roll_up(connection, rows)
    return ids


def rejected_one_by_one(connection: Connection, rows: Sequence[dict[str, Any]]) -> dict[RecordKey, str]:
    """Insert each of `rows` in a savepoint; for those that the database refuses, its reason."""
    rejected: dict[RecordKey, str] = {}
    for row in rows:
        try:
            with connection.begin_nested():
                insert_readings(connection, [row])
        except (IntegrityError, DataError) as error:
            rejected[RecordKey(row["device_id"], row["boot"], row["seq"])] = reason_of(error)
    return rejected


def readings_after(connection: Connection, device_id: str, last_id: int) -> Iterator[ReplayedReading]:
    """A device's rows after `last_id`, in the order in which they were stored."""
    rows = connection.execute(_AFTER, {"device": device_id, "last_id": last_id})
    return (ReplayedReading(*row)._replace(quality=quality_of(row.quality)) for row in rows)


def readings_between(connection: Connection, device_id: str, start: datetime, end: datetime) -> list[Row[Any]]:
    """`timestamp`, `hr`, `temp` and `eda` of a device's record, by time, `end` included."""
    query = select(_h.timestamp, _h.hr, _h.temp, _h.eda).where(_h.device_id == device_id)
    return list(connection.execute(query.where(_h.timestamp.between(start, end)).order_by(_h.timestamp, _h.id)))


def newest_values(connection: Connection, limit: int) -> dict[str, list[float | None]]:
    """`hr`, `temp`, `eda` and `p` of the newest readings of all devices."""
    query = select(_h.hr, _h.temp, _h.eda, _h.stress_probability).order_by(_h.id.desc()).limit(limit)
    columns = list(zip(*connection.execute(query), strict=True)) or [()] * 4
    return dict(zip((*SENSORS, "p"), map(list, columns), strict=True))


def _by_key(dialect: str) -> Select[Any]:
    keys = given_rows(dialect, {name: getattr(_h, name).type for name in RecordKey._fields})
    same = and_(_h.device_id == keys.c.device_id, _h.boot == keys.c.boot, _h.seq == keys.c.seq)
    columns: tuple[Any, ...] = (_h.device_id, _h.boot, _h.seq, _h.id, _h.stress_level, _h.confidence)
    return select(*columns, _h.hr, _h.temp, _h.eda).join(keys, same)


def _insert(dialect: str) -> Insert:
    return insert_new(dialect, HistoryStress, RecordKey._fields).returning(_h.id, _h.device_id, _h.boot, _h.seq)


def _after() -> Select[Any]:
    values: tuple[Any, ...] = (_h.hr, _h.temp, _h.eda, _h.stress_probability, _h.quality)
    device = bindparam("device", type_=_h.device_id.type)
    raised = and_(Alert.record_id == _h.id, Alert.device_id == device, Alert.state == "raised")
    query = select(_h.id, _h.timestamp, _h.received_at, *values, Alert.id).outerjoin(Alert, raised)
    return query.where(_h.device_id == device, _h.id > bindparam("last_id")).order_by(_h.id)


_BY_KEY: Final = each_dialect(_by_key)
_INSERT: Final = each_dialect(_insert)
_AFTER: Final = _after()
