"""Alerts over HTTP: what the model raised, and what people did with it."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from msgspec import Meta, Struct
from sqlalchemy import Connection

from broker.contract import (
    DeviceId,
    Probability,
    Right,
    StressLevel,
)
from gateway.access.audit import audit_event, change
from gateway.errors import HttpError
from gateway.http.routing import Call, Content, Endpoint, Endpoints, PageRequest, row_id
from storage import alerts as alert_rows
from storage.alerts import Action, AlertWanted
from storage.reader import Reader
from storage.writer import Writer

TEXT_MAX: Final = 2_000


class AlertsRequest(PageRequest, frozen=True):
    """A page of alerts, newest first; `before_id` goes on after an earlier page."""

    state: AlertWanted = "all"
    device_id: DeviceId | None = None


class ActionTaken(Struct, frozen=True):
    """An action on an alert; `login` is null if logins are off."""

    action: Action
    at: datetime
    login: str | None
    text: str | None


class AlertInfo(Struct, frozen=True):
    """An alert. `cleared_at`: time at which the readings ended it; `open`: neither the readings nor a person ended it.

    If a person clears an alert, it is closed in the record; the model goes on to evaluate readings as before.
    """

    id: int
    device_id: DeviceId
    level: StressLevel
    late: bool
    timestamp: datetime
    stress_probability: Probability
    cleared_at: datetime | None
    open: bool
    actions: tuple[ActionTaken, ...]


class AlertList(Struct, frozen=True):
    """A page of alerts."""

    data: tuple[AlertInfo, ...]
    count: int


class ActionRequest(Struct, frozen=True):
    """An action on an alert; a comment needs a text."""

    action: Action
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)] | None = None


ALERTS: Final = Endpoint(
    method="GET",
    path="/api/alerts",
    operation="alerts",
    summary="List alerts, newest first.",
    right=Right.WATCH,
    query=AlertsRequest,
    answers={200: Content("A page of alerts.", AlertList)},
)
ACT: Final = Endpoint(
    method="POST",
    path="/api/alerts/{alert_id}/actions",
    operation="act_on_alert",
    summary="Acknowledge, clear or comment an alert; a second acknowledgement changes nothing.",
    right=Right.OPERATE,
    body=ActionRequest,
    answers={200: Content("The alert after the action.", AlertInfo), 404: Content("No such alert.")},
)


class AlertRoutes:
    """Lists alerts, and keeps what people do with them."""

    def __init__(self, reader: Reader, writer: Writer, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._writer = writer
        self._now = now

    def add_to(self, endpoints: Endpoints) -> None:
        """Add the routes."""
        endpoints.add(ALERTS, self._alerts)
        endpoints.add(ACT, self._act)

    async def _alerts(self, call: Call) -> AlertList:
        request: AlertsRequest = call.query
        visible = call.caller.among(request.device_id)
        rows = await self._reader.run(
            lambda connection: alert_rows.alerts(connection, request.limit, request.before_id, request.state, visible)
        )
        return AlertList(tuple(map(_alert, rows)), len(rows))

    async def _act(self, call: Call) -> AlertInfo:
        request: ActionRequest = call.body
        if request.action == "comment" and request.text is None:
            raise HttpError(400, "missing", "a comment needs a text", "text")
        alert_id = row_id(call, "alert_id")
        alert = await self._reader.run(lambda connection: alert_rows.alert(connection, alert_id))
        if alert is None or not call.caller.sees(alert.raised.device_id):
            raise HttpError(404, "not_found", "no such alert", "alert_id")
        caller, now = call.caller, self._now()
        action = alert_rows.NewAlertAction(alert_id, now, caller.login, request.action, request.text)
        event = audit_event(caller, now, f"alert_{request.action}", alert.raised.device_id, str(alert_id))

        def transaction(connection: Connection) -> alert_rows.StoredAlert | None:
            alert_rows.add_action(connection, action)
            return alert_rows.alert(connection, alert_id)

        changed = await change(self._writer, event, transaction)
        return _alert(changed or alert)


def _alert(alert: alert_rows.StoredAlert) -> AlertInfo:
    raised = alert.raised
    actions = tuple(ActionTaken(action.action, action.at, action.login, action.text) for action in alert.actions)
    is_open = alert.cleared_at is None and all(action.action != "clear" for action in actions)
    return AlertInfo(
        raised.id,
        raised.device_id,
        raised.level,
        raised.late,
        raised.timestamp,
        raised.stress_probability,
        alert.cleared_at,
        is_open,
        actions,
    )
