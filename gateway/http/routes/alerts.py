"""Alerts and annotations over HTTP: what the model raised, and what people say."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from aiohttp import web
from msgspec import Meta, Struct
from sqlalchemy import Connection

from broker.contract import (
    MAX_COUNT,
    AnnotationRequest,
    AnnotationSaved,
    DeviceId,
    ErrorDetail,
    Probability,
    Right,
    StressLevel,
)
from gateway.access.audit import change, deed_of
from gateway.access.permissions import Caller
from gateway.errors import RefusedError, forbidden, history_refused
from gateway.http.routing import Call, Content, Endpoint, Endpoints, PageRequest, json_response
from storage import alerts as alert_rows
from storage import annotations as annotation_rows
from storage.alerts import Action, AlertWanted
from storage.annotations import NewAnnotation
from storage.history import HistoryError, instant
from storage.reader import Reader
from storage.writer import Writer

TEXT_MAX: Final = 2_000


class AlertsRequest(PageRequest, frozen=True):
    """A page of alerts, newest first; `before_id` goes on after an earlier page."""

    state: AlertWanted = "all"
    device_id: DeviceId | None = None


class ActionTaken(Struct, frozen=True):
    """What somebody did with an alert; `login` is null where no logins are needed."""

    action: Action
    at: datetime
    login: str | None
    text: str | None


class AlertInfo(Struct, frozen=True):
    """An alert. `cleared_at`: the readings ended it; `open`: neither they nor a person did.

    A person who clears an alert closes it in the record; the model's watch over the readings goes on by itself.
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
    """What to do with an alert; a comment needs a text."""

    action: Action
    text: Annotated[str, Meta(min_length=1, max_length=TEXT_MAX)] | None = None


class AnnotationsRequest(PageRequest, frozen=True):
    """A page of annotations, newest first; `before_id` goes on after an earlier page."""

    device_id: DeviceId | None = None


class AnnotationInfo(Struct, frozen=True):
    """An annotation; `source` is `self_report` where the device's own login said it, else `operator`."""

    id: int
    device_id: DeviceId
    start: datetime
    end: datetime | None
    label: str
    note: str | None
    source: str
    login: str | None
    created_at: datetime


class AnnotationList(Struct, frozen=True):
    """A page of annotations."""

    data: tuple[AnnotationInfo, ...]
    count: int


ALERTS: Final = Endpoint(
    method="GET",
    path="/api/alerts",
    operation="alerts",
    summary="Alerts, newest first.",
    right=Right.WATCH,
    query=AlertsRequest,
    answers={200: Content("A page of alerts.", AlertList)},
)
ACT: Final = Endpoint(
    method="POST",
    path="/api/alerts/{alert_id}/actions",
    operation="act_on_alert",
    summary="Acknowledges, clears or comments an alert; a second acknowledgement changes nothing.",
    right=Right.OPERATE,
    body=ActionRequest,
    answers={200: Content("The alert as it is now.", AlertInfo), 404: Content("There is no such alert.")},
)
ANNOTATIONS: Final = Endpoint(
    method="GET",
    path="/api/annotations",
    operation="annotations",
    summary="What people said of spans of time, newest first.",
    right=Right.WATCH,
    query=AnnotationsRequest,
    answers={200: Content("A page of annotations.", AnnotationList)},
)
ANNOTATE: Final = Endpoint(
    method="POST",
    path="/api/annotations",
    operation="annotate",
    summary="Says what a span of time was; a device's login may report of itself.",
    right=Right.ANNOTATE,
    body=AnnotationRequest,
    answers={201: Content("Kept.", AnnotationSaved)},
)
TAKE_BACK: Final = Endpoint(
    method="DELETE",
    path="/api/annotations/{annotation_id}",
    operation="take_back_annotation",
    summary="Deletes an annotation: one's own, or as an admin any.",
    right=Right.ANNOTATE,
    answers={204: Content("Deleted."), 404: Content("There is no such annotation.")},
)
ENDPOINTS: Final = (ALERTS, ACT, ANNOTATIONS, ANNOTATE, TAKE_BACK)


class Alerts:
    """The handlers."""

    def __init__(self, reader: Reader, writer: Writer, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._writer = writer
        self._now = now

    def add_to(self, endpoints: Endpoints) -> None:
        """Register them."""
        endpoints.add(ALERTS, self._alerts)
        endpoints.add(ACT, self._act)
        endpoints.add(ANNOTATIONS, self._annotations)
        endpoints.add(ANNOTATE, self._annotate)
        endpoints.add(TAKE_BACK, self._take_back)

    async def annotate(self, visitor: Caller, request: AnnotationRequest) -> int:
        """Keep what a visitor says; its id. Raises `RefusedError`."""
        device_id = visitor.sends_as or request.device_id
        if device_id is None:
            raise RefusedError(400, "missing", "device_id is missing", "device_id")
        if request.device_id not in (None, device_id) or not visitor.may(Right.ANNOTATE, device_id):
            raise forbidden(f"{visitor.login} may not speak of {request.device_id}")
        start, end = _time("start", request.start), None if request.end is None else _time("end", request.end)
        if end is not None and end < start:
            raise RefusedError(400, "invalid", "end must not be before start", "end")
        now = self._now()
        source = "operator" if visitor.sends_as is None else "self_report"
        said = NewAnnotation(device_id, start, end, request.label, request.note, source, visitor.login, now)
        deed = deed_of(visitor, now, "annotate", device_id)
        return await change(self._writer, deed, lambda connection: annotation_rows.annotate(connection, said))

    async def _alerts(self, call: Call) -> AlertList:
        request: AlertsRequest = call.query
        only = _only(call.visitor, request.device_id)
        found = await self._reader.run(
            lambda connection: alert_rows.alerts(connection, request.limit, request.before_id, request.state, only)
        )
        return AlertList(tuple(map(_alert, found)), len(found))

    async def _act(self, call: Call) -> AlertInfo:
        request: ActionRequest = call.body
        if request.action == "comment" and request.text is None:
            raise RefusedError(400, "missing", "a comment needs a text", "text")
        alert_id = _number(call, "alert_id")
        found = await self._reader.run(lambda connection: alert_rows.alert(connection, alert_id))
        if found is None or not call.visitor.sees(found.raised.device_id):
            raise RefusedError(404, "not_found", "there is no such alert", "alert_id")
        visitor, at = call.visitor, self._now()
        done = alert_rows.NewAlertAction(alert_id, at, visitor.login, request.action, request.text)
        deed = deed_of(visitor, at, f"alert_{request.action}", found.raised.device_id, str(alert_id))

        def transaction(connection: Connection) -> alert_rows.StoredAlert | None:
            alert_rows.act(connection, done)
            return alert_rows.alert(connection, alert_id)

        changed = await change(self._writer, deed, transaction)
        return _alert(changed or found)

    async def _annotations(self, call: Call) -> AnnotationList:
        request: AnnotationsRequest = call.query
        only = _only(call.visitor, request.device_id)
        found = await self._reader.run(
            lambda connection: annotation_rows.annotations(connection, request.limit, request.before_id, only)
        )
        return AnnotationList(tuple(AnnotationInfo(row.id, *row.said) for row in found), len(found))

    async def _annotate(self, call: Call) -> web.Response:
        return json_response(AnnotationSaved("success", await self.annotate(call.visitor, call.body)), 201)

    async def _take_back(self, call: Call) -> None:
        annotation_id, visitor = _number(call, "annotation_id"), call.visitor
        found = await self._reader.run(lambda connection: annotation_rows.annotation(connection, annotation_id))
        if found is None or not visitor.sees(found.said.device_id):
            raise RefusedError(404, "not_found", "there is no such annotation", "annotation_id")
        if found.said.login != visitor.login and not visitor.may(Right.ADMINISTER):
            raise forbidden(f"it is not {visitor.login}'s")
        deed = deed_of(visitor, self._now(), "annotation_delete", found.said.device_id, str(annotation_id))
        await change(self._writer, deed, lambda connection: annotation_rows.delete_annotation(connection, annotation_id))


def not_saved(error: ErrorDetail) -> AnnotationSaved:
    """The answer to what cannot be kept."""
    return AnnotationSaved("error", error=error)


def _only(visitor: Caller, device_id: str | None) -> frozenset[str] | None:
    """The devices that are asked for, as far as the visitor may see them."""
    if device_id is None:
        return visitor.devices
    return frozenset({device_id}) if visitor.sees(device_id) else frozenset()


def _number(call: Call, name: str) -> int:
    text = call.request.match_info[name]
    if not text.isdecimal() or not text.isascii() or not 0 < int(text[:20]) <= MAX_COUNT:
        raise RefusedError(404, "not_found", f"{name} must be a number from 1 to {MAX_COUNT}", name)
    return int(text)


def _alert(found: alert_rows.StoredAlert) -> AlertInfo:
    raised = found.raised
    actions = tuple(ActionTaken(one.action, one.at, one.login, one.text) for one in found.done)
    is_open = found.cleared_at is None and all(one.action != "clear" for one in actions)
    return AlertInfo(
        raised.id,
        raised.device_id,
        raised.level,
        raised.late,
        raised.timestamp,
        raised.stress_probability,
        found.cleared_at,
        is_open,
        actions,
    )


def _time(field: str, text: str) -> datetime:
    try:
        return instant(field, text)
    except HistoryError as error:
        raise history_refused(error) from error
