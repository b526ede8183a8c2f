"""What people add to the record, and what they ask of devices. All functions are synchronous and take a connection."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from storage.database import insert_or_replace
from storage.history import READING
from storage.rollups import CHANNELS, WIDTHS_S
from storage.tables import Alert, AlertAction, Annotation, BaselineReset, CommandRow, DeviceState, HistoryStress, Rollup

AlertWanted = Literal["open", "closed", "all"]
Action = Literal["acknowledge", "clear", "comment"]
_h = HistoryStress


class Device(NamedTuple):
    """A device: its newest reading's row, its baseline, and the share of readings with each channel in its last hour."""

    device_id: str
    reading: Any
    received_at: datetime
    baseline: dict[str, float | None] | None
    contact: dict[str, float] | None


def devices(connection: Connection, limit: int, after: str | None, only: Collection[str] | None) -> list[Device]:
    """By name, `after` a name; each by a few look-ups in indexes, however long its record is."""
    query = select(DeviceState.device_id, DeviceState.baseline).order_by(DeviceState.device_id).limit(limit)
    if after is not None:
        query = query.where(DeviceState.device_id > after)
    if only is not None:
        query = query.where(DeviceState.device_id.in_(sorted(only)))
    return [one for row in connection.execute(query).all() if (one := _device(connection, *row)) is not None]


def device(connection: Connection, device_id: str) -> Device | None:
    """One device, None where nothing ever came of it."""
    query = select(DeviceState.baseline).where(DeviceState.device_id == device_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else _device(connection, device_id, row[0])


def _device(connection: Connection, device_id: str, baseline: str | None) -> Device | None:
    newest = select(func.max(_h.id)).where(_h.device_id == device_id).scalar_subquery()
    row = connection.execute(select(*READING, _h.received_at).where(_h.id == newest)).one_or_none()
    if row is None:
        return None
    return Device(
        device_id, row, row.received_at, None if baseline is None else json.loads(baseline), _contact(connection, device_id)
    )


def _contact(connection: Connection, device_id: str) -> dict[str, float] | None:
    """Of the newest hour with readings."""
    query = select(Rollup.readings, *(getattr(Rollup, f"{channel}_count") for channel in CHANNELS))
    query = query.where(Rollup.device_id == device_id, Rollup.width_s == WIDTHS_S[-1])
    row = connection.execute(query.order_by(Rollup.start_s.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return {name: round(count / row[0], 4) for name, count in zip(CHANNELS, row[1:], strict=True)}


def reset_baseline(connection: Connection, device_id: str, asked_at: datetime) -> None:
    """Let the device's baseline begin anew with its next sample."""
    connection.execute(update(DeviceState).where(DeviceState.device_id == device_id).values(baseline=None))
    row = {"device_id": device_id, "asked_at": asked_at}
    connection.execute(insert_or_replace(connection.dialect, BaselineReset, "device_id"), row)


# --- alerts


class NewAlertAction(NamedTuple):
    """What somebody did with an alert."""

    alert_id: int
    at: datetime
    login: str | None
    action: Action
    text: str | None


class StoredAlert(NamedTuple):
    """An alert: the row that raised it, when it was cleared by the readings, and what people did."""

    raised: Any
    cleared_at: datetime | None
    done: list[NewAlertAction]


def alerts(
    connection: Connection,
    limit: int,
    before_id: int | None,
    wanted: AlertWanted,
    only: Collection[str] | None,
) -> list[StoredAlert]:
    """The newest, newest first; `only` of these devices. Closed is what the readings or a person cleared."""
    cleared = select(Alert.raised_id).where(Alert.raised_id == _raised.id, Alert.state == "cleared")
    by_person = select(AlertAction.id).where(AlertAction.alert_id == _raised.id, AlertAction.action == "clear")
    closed = cleared.exists() | by_person.exists()
    query = _all_raised().order_by(_raised.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(_raised.id < before_id)
    if only is not None:
        query = query.where(_raised.device_id.in_(sorted(only)))
    if wanted != "all":
        query = query.where(closed if wanted == "closed" else ~closed)
    return _with_actions(connection, connection.execute(query).all())


def alert(connection: Connection, alert_id: int) -> StoredAlert | None:
    """One alert."""
    found = _with_actions(connection, connection.execute(_all_raised().where(_raised.id == alert_id)).all())
    return found[0] if found else None


def act(connection: Connection, done: NewAlertAction) -> None:
    """Keep what somebody did; to acknowledge or clear a second time changes nothing."""
    if done.action != "comment":
        same = select(AlertAction.id).where(AlertAction.alert_id == done.alert_id, AlertAction.action == done.action)
        if connection.execute(same).first() is not None:
            return
    connection.execute(insert(AlertAction).values(done._asdict()))


_raised = Alert.__table__.alias("raised").c


def _all_raised() -> Select[Any]:
    return select(*_raised).where(_raised.state == "raised")


def _with_actions(connection: Connection, raised: Sequence[Any]) -> list[StoredAlert]:
    ids = [row.id for row in raised]
    ends = select(Alert.raised_id, Alert.timestamp).where(Alert.raised_id.in_(ids), Alert.state == "cleared")
    cleared = {row[0]: row[1] for row in connection.execute(ends)}
    columns = tuple(getattr(AlertAction, name) for name in NewAlertAction._fields)
    done: dict[int, list[NewAlertAction]] = {}
    for row in connection.execute(select(*columns).where(AlertAction.alert_id.in_(ids)).order_by(AlertAction.id)):
        done.setdefault(row.alert_id, []).append(NewAlertAction(*row))
    return [StoredAlert(row, cleared.get(row.id), done.get(row.id, [])) for row in raised]


# --- annotations


class NewAnnotation(NamedTuple):
    """What somebody says of a device's time."""

    device_id: str
    start: datetime
    end: datetime | None
    label: str
    note: str | None
    source: str
    login: str | None
    created_at: datetime


class StoredAnnotation(NamedTuple):
    """An annotation with its number."""

    id: int
    said: NewAnnotation


_SAID = tuple(getattr(Annotation, name) for name in NewAnnotation._fields)


def annotate(connection: Connection, said: NewAnnotation) -> int:
    """Keep an annotation; its id."""
    return connection.execute(insert(Annotation).values(said._asdict()).returning(Annotation.id)).scalar_one()


def annotations(
    connection: Connection, limit: int, before_id: int | None, only: Collection[str] | None
) -> list[StoredAnnotation]:
    """The newest, newest first; `only` of these devices."""
    query = select(Annotation.id, *_SAID).order_by(Annotation.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(Annotation.id < before_id)
    if only is not None:
        query = query.where(Annotation.device_id.in_(sorted(only)))
    return [StoredAnnotation(row[0], NewAnnotation(*row[1:])) for row in connection.execute(query)]


def labelled_spans(connection: Connection, only: Collection[str] | None) -> list[StoredAnnotation]:
    """All annotations, by device and start; `only` of these devices."""
    query = select(Annotation.id, *_SAID).order_by(Annotation.device_id, Annotation.start, Annotation.id)
    if only is not None:
        query = query.where(Annotation.device_id.in_(sorted(only)))
    return [StoredAnnotation(row[0], NewAnnotation(*row[1:])) for row in connection.execute(query)]


def readings_between(connection: Connection, device_id: str, start: datetime, end: datetime) -> list[Row[Any]]:
    """`timestamp`, `hr`, `temp` and `eda` of a device's record, by time, `end` included."""
    query = select(_h.timestamp, _h.hr, _h.temp, _h.eda).where(_h.device_id == device_id)
    return list(connection.execute(query.where(_h.timestamp.between(start, end)).order_by(_h.timestamp, _h.id)))


def newest_values(connection: Connection, limit: int) -> dict[str, list[float | None]]:
    """`hr`, `temp`, `eda` and `p` of the newest readings of all devices."""
    query = select(_h.hr, _h.temp, _h.eda, _h.stress_probability).order_by(_h.id.desc()).limit(limit)
    columns = list(zip(*connection.execute(query), strict=True)) or [()] * 4
    return dict(zip(("hr", "temp", "eda", "p"), map(list, columns), strict=True))


def annotation(connection: Connection, annotation_id: int) -> StoredAnnotation | None:
    """One annotation."""
    row = connection.execute(select(Annotation.id, *_SAID).where(Annotation.id == annotation_id)).one_or_none()
    return None if row is None else StoredAnnotation(row[0], NewAnnotation(*row[1:]))


def delete_annotation(connection: Connection, annotation_id: int) -> None:
    """Delete an annotation."""
    connection.execute(delete(Annotation).where(Annotation.id == annotation_id))


# --- commands


class NewCommand(NamedTuple):
    """A command to a device; `value` is JSON."""

    command_id: str
    device_id: str
    command: str
    value: str | None
    at: datetime
    login: str | None


class StoredCommand(NamedTuple):
    """A command and what came back."""

    order: NewCommand
    answered_at: datetime | None
    status: str | None
    message: str | None


def order(connection: Connection, given: NewCommand) -> None:
    """Keep a command before it is sent."""
    connection.execute(insert(CommandRow).values(given._asdict()))


def answered(
    connection: Connection, device_id: str, command_id: str, at: datetime, status: str, message: str | None
) -> bool:
    """Keep what the device answered first; whether it was asked that at all."""
    mine = (CommandRow.command_id == command_id, CommandRow.device_id == device_id, CommandRow.answered_at.is_(None))
    changed = update(CommandRow).where(*mine).values(answered_at=at, status=status, message=message)
    return bool(connection.execute(changed.returning(CommandRow.command_id)).all())


def find_command(connection: Connection, device_id: str, command_id: str) -> StoredCommand | None:
    """A command of a device."""
    columns = tuple(getattr(CommandRow, name) for name in NewCommand._fields)
    query = select(*columns, CommandRow.answered_at, CommandRow.status, CommandRow.message)
    query = query.where(CommandRow.command_id == command_id, CommandRow.device_id == device_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredCommand(NewCommand(*row[: len(columns)]), *row[len(columns) :])
