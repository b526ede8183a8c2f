"""Annotations over HTTP: labels that people, and devices of themselves, give to spans of time."""

from datetime import datetime
from typing import Final

from aiohttp import web
from msgspec import Struct

from broker.contract import AnnotationRequest, AnnotationSaved, DeviceId, Right
from gateway.annotations import Annotations
from gateway.http.routing import Call, Content, Endpoint, Endpoints, PageRequest, json_response, row_id
from storage import annotations as annotation_rows
from storage.reader import Reader


class AnnotationsRequest(PageRequest, frozen=True):
    """A page of annotations, newest first; `before_id` goes on after an earlier page."""

    device_id: DeviceId | None = None


class AnnotationInfo(Struct, frozen=True):
    """An annotation; `source` is `self_report` if the device's own login sent it, else `operator`."""

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


ANNOTATIONS: Final = Endpoint(
    method="GET",
    path="/api/annotations",
    operation="annotations",
    summary="List annotations, newest first.",
    right=Right.WATCH,
    query=AnnotationsRequest,
    answers={200: Content("A page of annotations.", AnnotationList)},
)
ANNOTATE: Final = Endpoint(
    method="POST",
    path="/api/annotations",
    operation="annotate",
    summary="Add an annotation; a device's login may annotate its own data.",
    right=Right.ANNOTATE,
    body=AnnotationRequest,
    answers={201: Content("Stored.", AnnotationSaved)},
)
DELETE: Final = Endpoint(
    method="DELETE",
    path="/api/annotations/{annotation_id}",
    operation="take_back_annotation",
    summary="Delete an annotation of the same login; an admin may delete any.",
    right=Right.ANNOTATE,
    answers={204: Content("Deleted."), 404: Content("No such annotation.")},
)


class AnnotationRoutes:
    """Lists, adds and deletes annotations."""

    def __init__(self, annotations: Annotations, reader: Reader) -> None:
        self._annotations = annotations
        self._reader = reader

    def add_to(self, endpoints: Endpoints) -> None:
        """Add the routes."""
        endpoints.add(ANNOTATIONS, self._list)
        endpoints.add(ANNOTATE, self._add)
        endpoints.add(DELETE, self._delete)

    async def _list(self, call: Call) -> AnnotationList:
        request: AnnotationsRequest = call.query
        devices = call.caller.among(request.device_id)
        rows = await self._reader.run(
            lambda connection: annotation_rows.annotations(connection, request.limit, request.before_id, devices)
        )
        return AnnotationList(tuple(AnnotationInfo(row.id, *row.annotation) for row in rows), len(rows))

    async def _add(self, call: Call) -> web.Response:
        return json_response(AnnotationSaved("success", await self._annotations.add(call.caller, call.body)), 201)

    async def _delete(self, call: Call) -> None:
        await self._annotations.delete(call.caller, row_id(call, "annotation_id"))
