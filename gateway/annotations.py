"""Labels for spans of a device's time: checked, stored and deleted, whether they came over HTTP or Socket.IO."""

from collections.abc import Callable
from datetime import datetime

from broker.contract import CLOCK_FLOOR, AnnotationRequest, Right
from gateway.access.audit import audit_event, change
from gateway.access.permissions import Caller
from gateway.errors import HttpError, forbidden, history_rejected
from storage import annotations as annotation_rows
from storage.annotations import NewAnnotation
from storage.history import HistoryError, instant
from storage.reader import Reader
from storage.writer import Writer


class Annotations:
    """Adds and deletes annotations, with an audit event each. `now` is the server's time, in UTC."""

    def __init__(self, reader: Reader, writer: Writer, now: Callable[[], datetime]) -> None:
        self._reader = reader
        self._writer = writer
        self._now = now

    async def add(self, caller: Caller, request: AnnotationRequest) -> int:
        """Store an annotation and return its id. Raises `HttpError`."""
        device_id = caller.sends_as or request.device_id
        if device_id is None:
            raise HttpError(400, "missing", "device_id is missing", "device_id")
        if request.device_id not in (None, device_id) or not caller.may(Right.ANNOTATE, device_id):
            raise forbidden(f"{caller.login} may not annotate {request.device_id}")
        start, end = _time("start", request.start), None if request.end is None else _time("end", request.end)
        if start < CLOCK_FLOOR:
            raise HttpError(400, "invalid", f"start must be from {CLOCK_FLOOR:%Y-%m-%d} on: no reading is older", "start")
        if end is not None and end < start:
            raise HttpError(400, "invalid", "end must not be before start", "end")
        now = self._now()
        source = "operator" if caller.sends_as is None else "self_report"
        annotation = NewAnnotation(device_id, start, end, request.label, request.note, source, caller.login, now)
        event = audit_event(caller, now, "annotate", device_id)
        return await change(self._writer, event, lambda connection: annotation_rows.add_annotation(connection, annotation))

    async def delete(self, caller: Caller, annotation_id: int) -> None:
        """Delete an annotation of the caller's own, or as an admin any. Raises `HttpError`."""
        row = await self._reader.run(lambda connection: annotation_rows.annotation(connection, annotation_id))
        if row is None or not caller.sees(row.annotation.device_id):
            raise HttpError(404, "not_found", "no such annotation", "annotation_id")
        if row.annotation.login != caller.login and not caller.may(Right.ADMINISTER):
            raise forbidden(f"the annotation is not of {caller.login}")
        event = audit_event(caller, self._now(), "annotation_delete", row.annotation.device_id, str(annotation_id))
        await change(self._writer, event, lambda connection: annotation_rows.delete_annotation(connection, annotation_id))


def _time(field: str, value: str | float) -> datetime:
    try:
        return instant(field, value)
    except HistoryError as error:
        raise history_rejected(error) from error
