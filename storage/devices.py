"""Devices as frontends list them. All functions are synchronous and take a connection."""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, select

from broker.contract import SENSORS
from storage.history import READING
from storage.rollups import WIDTHS_S
from storage.tables import DeviceState, HistoryStress, Rollup

_h = HistoryStress


class Device(NamedTuple):
    """A device: its newest reading's row, its baseline, and the share of minutes with each sensor in its last hour."""

    device_id: str
    reading: Any
    received_at: datetime
    baseline: dict[str, float | None] | None
    contact: dict[str, float] | None


def devices(connection: Connection, limit: int, after: str | None, only: Collection[str] | None) -> list[Device]:
    """Return devices by name, `after` a name, `only` of these; each by a few look-ups in indexes."""
    query = select(DeviceState.device_id, DeviceState.baseline).order_by(DeviceState.device_id).limit(limit)
    if after is not None:
        query = query.where(DeviceState.device_id > after)
    if only is not None:
        query = query.where(DeviceState.device_id.in_(sorted(only)))
    return [found for row in connection.execute(query).all() if (found := _device(connection, *row)) is not None]


def device(connection: Connection, device_id: str) -> Device | None:
    """Return a device; None if it never sent a valid sample."""
    query = select(DeviceState.baseline).where(DeviceState.device_id == device_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _device(connection, device_id, row[0])


def device_names(connection: Connection, limit: int) -> list[str]:
    """Return the names of the first devices that have sent a valid sample."""
    return list(connection.execute(select(DeviceState.device_id).order_by(DeviceState.device_id).limit(limit)).scalars())


def _device(connection: Connection, device_id: str, baseline: str | None) -> Device | None:
    newest = select(func.max(_h.id)).where(_h.device_id == device_id).scalar_subquery()
    row = connection.execute(select(*READING, _h.received_at).where(_h.id == newest)).one_or_none()
    if row is None:
        return None
    return Device(
        device_id, row, row.received_at, None if baseline is None else json.loads(baseline), _contact(connection, device_id)
    )


def _contact(connection: Connection, device_id: str) -> dict[str, float] | None:
    """The share of minutes with each sensor in the newest hour that has readings.

    Not of the readings: a device may send each sensor in readings of its own, each at its own rate.
    """
    minute_s, hour_s = WIDTHS_S
    hours = select(func.max(Rollup.start_s)).where(Rollup.device_id == device_id, Rollup.width_s == hour_s)
    with_values = (func.sum(case((getattr(Rollup, f"{sensor}_count") > 0, 1), else_=0)) for sensor in SENSORS)
    query = select(func.count(), *with_values).where(
        Rollup.device_id == device_id, Rollup.width_s == minute_s, Rollup.start_s >= hours.scalar_subquery()
    )
    row = connection.execute(query).one()
    if not row[0]:
        return None
    return {name: round(count / row[0], 4) for name, count in zip(SENSORS, row[1:], strict=True)}
