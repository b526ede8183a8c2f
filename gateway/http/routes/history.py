"""The record over HTTP: pages, overviews and exports."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web
from msgspec import Struct

from broker.contract import DataReceived, DeviceId, HistoryData, HistoryRequest, Right, Time, encode
from gateway.errors import HttpError, history_rejected, too_many
from gateway.http.routing import JSON, Call, Content, Endpoint, Endpoints
from storage.database import AWAY
from storage.export import CHUNK as ROWS_A_PIECE
from storage.export import Encoder, ExportError, Format, chunk_after, encoder_of
from storage.history import History, HistoryError, Scope, scope_of

log = logging.getLogger(__name__)

EXPORTS_AT_ONCE: Final = 2
"""Each reads as fast as its client takes it; more would keep pages waiting."""
GZIP_FROM: Final = 1_024
MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "csv": "text/csv",
    "jsonl": "application/jsonl",
    "parquet": "application/vnd.apache.parquet",
}


class ExportRequest(Struct, frozen=True):
    """Selection and format of an export; `end_date` is included (a date means its whole day), both in UTC."""

    format: Format = "csv"
    start_date: Time | None = None
    end_date: Time | None = None
    device_id: DeviceId | None = None


HISTORY: Final = Endpoint(
    method="GET",
    path="/api/history",
    operation="history",
    summary="A page of readings, the readings after a given one, or an overview in buckets.",
    description=HistoryRequest.__doc__,
    right=Right.WATCH,
    query=HistoryRequest,
    answers={200: Content("The readings, or the buckets.", HistoryData), 304: Content("Not modified since the ETag.")},
)
EXPORT: Final = Endpoint(
    method="GET",
    path="/api/export",
    operation="export",
    summary="Readings as a file, oldest first, streamed.",
    description=ExportRequest.__doc__,
    right=Right.WATCH,
    query=ExportRequest,
    answers={
        200: Content("The file.", tuple(MEDIA_TYPES.values())),
        501: Content("Parquet is not installed.", DataReceived),
    },
)


class HistoryRoutes:
    """Pages and overviews of the record, and exports."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._exports = 0

    def add_to(self, endpoints: Endpoints) -> None:
        """Add the routes."""
        endpoints.add(HISTORY, self._page)
        endpoints.add(EXPORT, self._export)

    async def _page(self, call: Call) -> web.Response:
        try:
            answer = await self._history.answer(call.query, call.caller.devices)
        except HistoryError as error:
            raise history_rejected(error) from error
        return _tagged(call.request, encode(answer))

    async def _export(self, call: Call) -> web.StreamResponse:
        query: ExportRequest = call.query
        request = HistoryRequest(start_date=query.start_date, end_date=query.end_date, device_id=query.device_id)
        try:
            scope = scope_of(request, call.caller.devices)
            encoder = await asyncio.to_thread(encoder_of, query.format)
        except HistoryError as error:
            raise history_rejected(error) from error
        except ExportError as error:
            raise HttpError(501, "invalid", str(error), "format") from error
        if self._exports >= EXPORTS_AT_ONCE:
            raise too_many(f"{EXPORTS_AT_ONCE} exports are under way", 10)
        self._exports += 1
        try:
            return await self._stream(call.request, scope, encoder, query.format)
        finally:
            self._exports -= 1

    async def _stream(self, request: web.Request, scope: Scope, encoder: Encoder, kind: Format) -> web.StreamResponse:
        """Stream the rows. The first chunk is read before the status is sent: if the database is away, that is 503."""
        response = web.StreamResponse()
        response.content_type = MEDIA_TYPES[kind]
        response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="stresswire.{kind}"'
        if kind != "parquet":
            response.enable_compression()
        rows = await self._history.run(lambda connection: chunk_after(connection, scope, None))
        await response.prepare(request)
        if request.method == hdrs.METH_HEAD:
            return response
        try:
            while True:
                await response.write(await asyncio.to_thread(encoder.rows, rows))
                if len(rows) < ROWS_A_PIECE:
                    break
                last = rows[-1]
                rows = await self._history.run(lambda connection: chunk_after(connection, scope, last))  # noqa: B023
            await response.write(await asyncio.to_thread(encoder.end))
            await response.write_eof()
        except AWAY:
            # The status is sent already: only a connection that is cut off shows that the file is not whole.
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            # The client is gone. aiohttp would keep an exception in a cycle, and with it this frame: megabytes of readings
            # that wait for a full garbage collection.
            log.debug("an export was cut off by its client")
        return response


def _tagged(request: web.Request, body: bytes) -> web.Response:
    """Return JSON with an ETag, compressed if it is long; 304 if the client has it already."""
    tag = hashlib.sha256(body).hexdigest()[:32]
    known = request.if_none_match
    if known and any(etag.value in (tag, "*") for etag in known):
        response = web.Response(status=304)
    else:
        response = web.Response(body=body, content_type=JSON)
        if len(body) > GZIP_FROM:
            response.enable_compression()
    # Weak, since the same content may come compressed.
    response.headers[hdrs.ETAG] = f'W/"{tag}"'
    response.headers[hdrs.CACHE_CONTROL] = "private, no-cache"
    return response
