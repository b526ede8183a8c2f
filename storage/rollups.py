"""Rollups: readings counted and summed by device and minute or hour, in the transaction that stores them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Insert, Row, func, select

from broker.contract import SENSORS
from storage.dialects import each_dialect, greatest, insert_into, least
from storage.tables import Rollup

WIDTHS_S: Final = (60, 3_600)
"""Widths of the stored buckets in seconds, the finer first; wider ones are computed from them."""
_KEY: Final = ("device_id", "width_s", "start_s")
_HIGH: Final = "high_stress"

Bucket = list[Any]
"""readings, high_stress, probability_sum, and of each sensor count, sum, min, max; as the table's columns."""
_COLUMNS: Final = (
    "readings",
    "high_stress",
    "probability_sum",
    *(f"{sensor}_{statistic}" for sensor in SENSORS for statistic in ("count", "sum", "min", "max")),
)


def roll_up(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Add readings that were stored just now, in the order of keys, so that two writers never deadlock."""
    minutes = _minutes(rows)
    hours: dict[tuple[str, int], Bucket] = {}
    for (device_id, start_s), bucket in minutes.items():
        _merge(hours, (device_id, start_s - start_s % WIDTHS_S[1]), bucket)
    buckets_to_add = [
        dict(zip((*_KEY, *_COLUMNS), (device_id, width_s, start_s, *bucket), strict=True))
        for width_s, buckets in zip(WIDTHS_S, (minutes, hours), strict=True)
        for (device_id, start_s), bucket in sorted(buckets.items(), key=itemgetter(0))
    ]
    if buckets_to_add:
        connection.execute(_UPSERT[connection.dialect.name], buckets_to_add)


def overview(
    connection: Connection, width_s: int, start_s: int, end_s: int, devices: Collection[str] | None
) -> Sequence[Row[Any]]:
    """Return buckets of `width_s` from `start_s` to before `end_s`, of these devices together, oldest first."""
    stored_s = next(stored for stored in reversed(WIDTHS_S) if width_s % stored == 0)
    start = (Rollup.start_s - Rollup.start_s % width_s).label("start_s")
    sums = (func.sum(getattr(Rollup, name)).label(name) for name in _COLUMNS if not name.endswith(("_min", "_max")))
    lowest = (func.min(getattr(Rollup, f"{sensor}_min")).label(f"{sensor}_min") for sensor in SENSORS)
    highest = (func.max(getattr(Rollup, f"{sensor}_max")).label(f"{sensor}_max") for sensor in SENSORS)
    query = select(start, *sums, *lowest, *highest).where(
        Rollup.width_s == stored_s, Rollup.start_s >= start_s, Rollup.start_s < end_s
    )
    if devices is not None:
        query = query.where(Rollup.device_id.in_(sorted(devices)))
    return connection.execute(query.group_by(start).order_by(start)).all()


def _minutes(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, int], Bucket]:
    minutes: dict[tuple[str, int], Bucket] = {}
    for row in rows:
        time: datetime = row["timestamp"]
        start_s = int(time.timestamp() // WIDTHS_S[0]) * WIDTHS_S[0]
        reading: Bucket = [1, int(row["stress_level"] == _HIGH), row["stress_probability"]]
        for sensor in SENSORS:
            value = row[sensor]
            reading += (0, 0.0, None, None) if value is None else (1, value, value, value)
        _merge(minutes, (row["device_id"], start_s), reading)
    return minutes


def _merge(buckets: dict[tuple[str, int], Bucket], key: tuple[str, int], other: Bucket) -> None:
    bucket = buckets.get(key)
    if bucket is None:
        buckets[key] = list(other)
        return
    for total in (0, 1, 2):
        bucket[total] += other[total]
    for count in range(3, len(bucket), 4):
        if other[count]:
            known = bucket[count] > 0
            bucket[count] += other[count]
            bucket[count + 1] += other[count + 1]
            bucket[count + 2] = min(bucket[count + 2], other[count + 2]) if known else other[count + 2]
            bucket[count + 3] = max(bucket[count + 3], other[count + 3]) if known else other[count + 3]


def _upsert(dialect: str) -> Insert:
    """Insert a bucket, or add to the one that is stored; of a null and a value the value is taken."""
    insert = insert_into(dialect, Rollup)
    changed: dict[str, Any] = {}
    for name in _COLUMNS:
        stored, new = getattr(Rollup, name), insert.excluded[name]
        if name.endswith("_min"):
            changed[name] = func.coalesce(least(dialect, stored, new), stored, new)
        elif name.endswith("_max"):
            changed[name] = func.coalesce(greatest(dialect, stored, new), stored, new)
        else:
            changed[name] = stored + new
    return insert.on_conflict_do_update(index_elements=_KEY, set_=changed)


_UPSERT: Final = each_dialect(_upsert)
