"""The HTTP side: the fallback for devices, and what frontends ask."""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from aiohttp import hdrs, web

from broker.contract import (
    ANSWER_TIMEOUT_S,
    CLIENT_EVENTS,
    MAX_PAYLOAD_BYTES,
    MESSAGES,
    ClientStats,
    DataReceived,
    ErrorCode,
    ErrorDetail,
    EventInfo,
    HealthStatus,
    Right,
    SystemStatus,
    WebSocketInfo,
)
from gateway import json_codec as wire
from gateway.errors import RETRY_AFTER_S
from gateway.headers import IDEMPOTENCY_KEY
from gateway.http.routing import JSON, Call, Content, Endpoint, Endpoints, json_response
from gateway.metrics import Metrics
from gateway.paths import SOCKET_IO
from gateway.request_body import read_body
from gateway.sample_requests import Malformed, SampleRequests, refusal

_STATUS_OF: Final[dict[ErrorCode, int]] = {"conflict": 409, "too_large": 413, "timeout": 503}

POST_DATA: Final = Endpoint(
    method="POST",
    path="/api/esp32/data",
    operation="post_sensor_data",
    summary="A sample, or an array of them.",
    right=Right.SEND,
    answers={
        200: Content("A resend: everything was stored before, and is answered with the first record.", DataReceived),
        201: Content("Stored.", DataReceived),
        207: Content("A part of the batch was stored; `errors` says what was refused.", DataReceived),
        400: Content("Nothing was stored; `error` and `errors` say why.", DataReceived),
        409: Content("Nothing was stored: the same key came before with other content.", DataReceived),
        413: Content(f"Larger than {MAX_PAYLOAD_BYTES} bytes.", DataReceived),
        415: Content("The content type is not JSON.", DataReceived),
        503: Content(
            f"No answer within {ANSWER_TIMEOUT_S:g} s: it may or may not be stored. Safe to repeat with a key.",
            DataReceived,
        ),
    },
)
INFO: Final = Endpoint(
    method="GET",
    path="/api/websocket/info",
    operation="websocket_info",
    summary="How to connect with Socket.IO, and the events there are.",
    right=Right.NONE,
    answers={200: Content("The events.", WebSocketInfo)},
)
STATUS: Final = Endpoint(
    method="GET",
    path="/api/system/status",
    operation="system_status",
    summary="How the parts are, and who is connected.",
    right=Right.WATCH,
    answers={200: Content("How the parts are.", SystemStatus)},
)
ENDPOINTS: Final = (POST_DATA, INFO, STATUS)

INFO_BODY: Final = WebSocketInfo(
    path=SOCKET_IO,
    client_types=("esp32", "frontend"),
    events=tuple(
        EventInfo(one.name.value, "client" if one.name in CLIENT_EVENTS else "server", one.summary) for one in MESSAGES
    ),
)


class Routes:
    """The handlers. `health` and `stats` say how the parts are and who is connected."""

    def __init__(
        self,
        uplink: SampleRequests,
        health: Callable[[], Awaitable[HealthStatus]],
        stats: Callable[[], ClientStats],
        metrics: Metrics,
    ) -> None:
        self._uplink = uplink
        self._metrics = metrics
        self._health = health
        self._stats = stats

    def add_to(self, endpoints: Endpoints) -> None:
        """Register every route."""
        endpoints.add(POST_DATA, self._take)
        endpoints.add(INFO, self._info)
        endpoints.add(STATUS, self._status)

    async def _take(self, call: Call) -> web.Response:
        request = call.request
        if request.content_type != JSON and not request.content_type.endswith("+json"):
            message = f"Content-Type must be {JSON}, got {request.content_type}"
            return json_response(refusal(ErrorDetail("not_json", message)), 415)
        body = await read_body(request)
        answer = await self._uplink.send(_read(body), call.visitor.sends_as, request.headers.get(IDEMPOTENCY_KEY))
        self._metrics.count("http", answer.received)
        status = status_of(answer.received)
        headers = {hdrs.RETRY_AFTER: str(RETRY_AFTER_S)} if status == 503 else None
        return web.Response(body=answer.raw, status=status, headers=headers, content_type=JSON)

    async def _info(self, _call: Call) -> WebSocketInfo:
        return INFO_BODY

    async def _status(self, _call: Call) -> SystemStatus:
        health = await self._health()
        return SystemStatus(**msgspec.structs.asdict(health), client_stats=self._stats())


def status_of(received: DataReceived) -> int:
    """The HTTP status that says the same as an answer."""
    if received.status == "partial":
        return 207
    if received.status == "success":
        return 200 if received.duplicate else 201
    return _STATUS_OF.get(received.error.code, 400) if received.error else 400


def _read(body: bytes) -> object:
    """The JSON of a body; one that is not JSON goes on as it came, to be refused by ingest and kept."""
    try:
        return wire.loads(body.decode())
    except ValueError:
        return Malformed(body)
