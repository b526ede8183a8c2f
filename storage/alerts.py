"""Alerts, and the actions of people on them. All functions are synchronous and take a connection."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, Select, insert, select

from storage.tables import Alert, AlertAction

AlertWanted = Literal["open", "closed", "all"]
Action = Literal["acknowledge", "clear", "comment"]


class NewAlertAction(NamedTuple):
    """A person's action on an alert."""

    alert_id: int
    at: datetime
    login: str | None
    action: Action
    text: str | None


class StoredAlert(NamedTuple):
    """An alert: the row that raised it, the time at which readings cleared it, and the actions on it."""

    raised: Any
    cleared_at: datetime | None
    actions: list[NewAlertAction]


def alerts(
    connection: Connection,
    limit: int,
    before_id: int | None,
    wanted: AlertWanted,
    only: Collection[str] | None,
) -> list[StoredAlert]:
    """Return alerts, newest first, `only` of these devices. Closed are those that readings or a person cleared."""
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
    """Return an alert; None if there is none of this id."""
    stored = _with_actions(connection, connection.execute(_all_raised().where(_raised.id == alert_id)).all())
    return stored[0] if stored else None


def add_action(connection: Connection, action: NewAlertAction) -> None:
    """Store an action; to acknowledge or clear a second time changes nothing."""
    if action.action != "comment":
        same = select(AlertAction.id).where(AlertAction.alert_id == action.alert_id, AlertAction.action == action.action)
        if connection.execute(same).first() is not None:
            return
    connection.execute(insert(AlertAction).values(action._asdict()))


def insert_alert(connection: Connection, row: dict[str, Any]) -> int:
    """Store one alert and return its id."""
    return connection.execute(_INSERT, row).scalar_one()


_INSERT: Final = insert(Alert).returning(Alert.id)
_raised = Alert.__table__.alias("raised").c


def _all_raised() -> Select[Any]:
    return select(*_raised).where(_raised.state == "raised")


def _with_actions(connection: Connection, raised: Sequence[Any]) -> list[StoredAlert]:
    ids = [row.id for row in raised]
    ends = select(Alert.raised_id, Alert.timestamp).where(Alert.raised_id.in_(ids), Alert.state == "cleared")
    cleared = {row[0]: row[1] for row in connection.execute(ends)}
    columns = tuple(getattr(AlertAction, name) for name in NewAlertAction._fields)
    actions: dict[int, list[NewAlertAction]] = {}
    for row in connection.execute(select(*columns).where(AlertAction.alert_id.in_(ids)).order_by(AlertAction.id)):
        actions.setdefault(row.alert_id, []).append(NewAlertAction(*row))
    return [StoredAlert(row, cleared.get(row.id), actions.get(row.id, [])) for row in raised]
