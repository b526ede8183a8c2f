"""Rollups: readings counted and summed by device and minute or hour, in the transaction that stores them."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Insert, Row, func, select

from broker.contract import SENSORS
from storage.dialects import each_dialect, greatest, insert_into, least
from storage.tables import Rollup

WIDTHS_S: Final = (60, 3_600)
"""The buckets that are kept, in seconds, the finer first; wider ones are made of them."""
_KEY: Final = ("device_id", "width_s", "start_s")
_HIGH: Final = "high_stress"

Bucket = list[Any]
"""readings, high_stress, probability_sum, and of each sensor count, sum, min, max; as the table's columns."""
_COLUMNS: Final = (
    "readings",
    "high_stress",
    "probability_sum",
    *(f"{sensor}_{what}" for sensor in SENSORS for what in ("count", "sum", "min", "max")),
)


def roll_up(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Add readings that were stored just now; in the order of the keys, so that two writers never wait for each other."""
    minutes = _minutes(rows)
    hours: dict[tuple[str, int], Bucket] = {}
    for (device_id, start_s), bucket in minutes.items():
        _merge(hours, (device_id, start_s - start_s % WIDTHS_S[1]), bucket)
    found = [
        dict(zip((*_KEY, *_COLUMNS), (device_id, width_s, start_s, *bucket), strict=True))
        for width_s, buckets in zip(WIDTHS_S, (minutes, hours), strict=True)
        for (device_id, start_s), bucket in sorted(buckets.items(), key=lambda one: one[0])
    ]
    if found:
        connection.execute(_UPSERT[connection.dialect.name], found)


def overview(
    connection: Connection, width_s: int, start_s: int, end_s: int, devices: Collection[str] | None
) -> Sequence[Row[Any]]:
    """Buckets of `width_s` from `start_s` to before `end_s`, of these devices together, oldest first."""
    kept_s = next(one for one in reversed(WIDTHS_S) if width_s % one == 0)
    at = (Rollup.start_s - Rollup.start_s % width_s).label("start_s")
    sums = (func.sum(getattr(Rollup, name)).label(name) for name in _COLUMNS if not name.endswith(("_min", "_max")))
    lowest = (func.min(getattr(Rollup, f"{sensor}_min")).label(f"{sensor}_min") for sensor in SENSORS)
    highest = (func.max(getattr(Rollup, f"{sensor}_max")).label(f"{sensor}_max") for sensor in SENSORS)
    query = select(at, *sums, *lowest, *highest).where(
        Rollup.width_s == kept_s, Rollup.start_s >= start_s, Rollup.start_s < end_s
    )
    if devices is not None:
        query = query.where(Rollup.device_id.in_(sorted(devices)))
    return connection.execute(query.group_by(at).order_by(at)).all()


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
    own = buckets.get(key)
    if own is None:
        buckets[key] = list(other)
        return
    for at in (0, 1, 2):
        own[at] += other[at]
    for at in range(3, len(own), 4):
        if other[at]:
            known = own[at] > 0
            own[at] += other[at]
            own[at + 1] += other[at + 1]
            own[at + 2] = min(own[at + 2], other[at + 2]) if known else other[at + 2]
            own[at + 3] = max(own[at + 3], other[at + 3]) if known else other[at + 3]


def _upsert(dialect: str) -> Insert:
    """Add to the bucket that is there. What is null on one side is that of the other."""
    insert = insert_into(dialect, Rollup)
    changed: dict[str, Any] = {}
    for name in _COLUMNS:
        own, new = getattr(Rollup, name), insert.excluded[name]
        if name.endswith("_min"):
            changed[name] = func.coalesce(least(dialect, own, new), own, new)
        elif name.endswith("_max"):
            changed[name] = func.coalesce(greatest(dialect, own, new), own, new)
        else:
            changed[name] = own + new
    return insert.on_conflict_do_update(index_elements=_KEY, set_=changed)


_UPSERT: Final = each_dialect(_upsert)
