"""Snapshots of devices' states, and requests for a new baseline. All functions are synchronous and take a connection."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Select, bindparam, delete, func, select, update

from storage.dialects import each_dialect, given, given_rows, insert_or_replace
from storage.tables import BaselineReset, DeviceState, HistoryStress

_h = HistoryStress


class StoredState(NamedTuple):
    """A device's snapshot, and the id of the last row in it."""

    last_id: int
    saved_at: datetime
    state: bytes


class Newest(NamedTuple):
    """The id of a device's newest row, 0 without one, and the time of a request for a new baseline that is still due."""

    last_id: int
    reset_at: datetime | None


def load_state(connection: Connection, device_id: str) -> StoredState | None:
    """Return a device's snapshot; None if none was taken."""
    row = connection.execute(_LOAD, {"device": device_id}).one_or_none()
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
    connection.execute(_SAVE[connection.dialect.name], row)


def newest(connection: Connection, device_ids: Sequence[str]) -> dict[str, Newest]:
    """Return the newest row of each device."""
    if not device_ids:
        return {}
    dialect = connection.dialect.name
    rows = connection.execute(_NEWEST[dialect], given(dialect, [(device_id,) for device_id in device_ids]))
    return {device_id: Newest(found or 0, asked_at) for device_id, found, asked_at in rows}


def reset_baseline(connection: Connection, device_id: str, asked_at: datetime) -> None:
    """Request a new baseline, which begins with the device's next sample."""
    connection.execute(update(DeviceState).where(DeviceState.device_id == device_id).values(baseline=None))
    row = {"device_id": device_id, "asked_at": asked_at}
    connection.execute(_ASK_RESET[connection.dialect.name], row)


def reset_done(connection: Connection, device_id: str, asked_at: datetime) -> None:
    """Delete the request of that time for a new baseline; a later one is still due."""
    done = (BaselineReset.device_id == device_id, BaselineReset.asked_at == asked_at)
    connection.execute(delete(BaselineReset).where(*done))


def _newest(dialect: str) -> Select[Any]:
    devices = given_rows(dialect, {"device_id": _h.device_id.type})
    # A subquery for each, which both databases answer from the end of an index; grouped they would read all of it.
    last_id = select(func.max(_h.id)).where(_h.device_id == devices.c.device_id).scalar_subquery()
    reset_at = select(BaselineReset.asked_at).where(BaselineReset.device_id == devices.c.device_id).scalar_subquery()
    return select(devices.c.device_id, last_id, reset_at)


_LOAD: Final = select(DeviceState.last_id, DeviceState.saved_at, DeviceState.state).where(
    DeviceState.device_id == bindparam("device")
)
_SAVE: Final = each_dialect(lambda dialect: insert_or_replace(dialect, DeviceState, "device_id"))
_NEWEST: Final = each_dialect(_newest)
_ASK_RESET: Final = each_dialect(lambda dialect: insert_or_replace(dialect, BaselineReset, "device_id"))
