"""The HTTP side: the fallback for devices, and what frontends ask."""

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
from aiohttp import ClientPayloadError, hdrs, web
from aiohttp.typedefs import Handler, Middleware
from msgspec import Struct

from broker.contract import (
    CHANNELS,
    CLIENT_EVENTS,
    EVENTS,
    MAX_PAYLOAD_BYTES,
    ClientStats,
    DataReceived,
    ErrorCode,
    ErrorDetail,
    EventInfo,
    HealthStatus,
    SystemStatus,
    WebSocketInfo,
    encode,
)
from gateway import wire
from gateway.compat import as_eio_4
from gateway.origins import Origins
from gateway.uplink import Malformed, Uplink, refusal

log = logging.getLogger(__name__)

DATA: Final = "/api/esp32/data"
INFO: Final = "/api/websocket/info"
STATUS: Final = "/api/system/status"
TEST_PAGE: Final = "/api/websocket/test"
READY: Final = "/readyz"
MQTT: Final = "/mqtt"
STATIC: Final = "/static/"
SOCKET_IO: Final = "/socket.io/"
STATIC_FOLDER: Final = Path(__file__).parent / "static"
RETRY_AFTER_S: Final = 5
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

_STATUS_OF: Final[dict[ErrorCode, int]] = {"conflict": 409, "too_large": 413, "timeout": 503}


INFO_BODY: Final = WebSocketInfo(
    path=SOCKET_IO,
    client_types=("esp32", "frontend"),
    events=tuple(
        EventInfo(one.name.value, "client" if one.name in CLIENT_EVENTS else "server", one.summary)
        for one in (*CHANNELS, *EVENTS)
    ),
)


class Routes:
    """The handlers. `health` and `stats` say how the parts are and who is connected."""

    def __init__(
        self, uplink: Uplink, health: Callable[[], Awaitable[HealthStatus]], stats: Callable[[], ClientStats]
    ) -> None:
        self._uplink = uplink
        self._health = health
        self._stats = stats

    def add_to(self, app: web.Application) -> None:
        """Register every route."""
        app.router.add_post(DATA, self._take)
        app.router.add_get(INFO, self._info)
        app.router.add_get(STATUS, self._status)
        app.router.add_get(TEST_PAGE, self._test_page)
        app.router.add_get(READY, self._ready)
        if STATIC_FOLDER.is_dir():
            app.router.add_static(STATIC, STATIC_FOLDER)

    async def _take(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json" and not request.content_type.endswith("+json"):
            message = f"Content-Type must be application/json, got {request.content_type}"
            return json_response(refusal(ErrorDetail("not_json", message)), 415)
        try:
            body = await request.read()
        except (web.RequestPayloadError, ClientPayloadError):
            return json_response(refusal(ErrorDetail("not_json", "the body does not have its Content-Encoding")), 400)
        answer = await self._uplink.send(_read(body), request.headers.get("Idempotency-Key"))
        status = status_of(answer.received)
        headers = {hdrs.RETRY_AFTER: str(RETRY_AFTER_S)} if status == 503 else None
        return web.Response(body=answer.raw, status=status, headers=headers, content_type="application/json")

    async def _info(self, _request: web.Request) -> web.Response:
        return json_response(INFO_BODY)

    async def _status(self, _request: web.Request) -> web.Response:
        health = await self._health()
        return json_response(SystemStatus(**msgspec.structs.asdict(health), client_stats=self._stats()))

    async def _ready(self, _request: web.Request) -> web.Response:
        health = await self._health()
        return json_response(health, 200 if health.status == "ok" else 503)

    async def _test_page(self, _request: web.Request) -> web.StreamResponse:
        page = STATIC_FOLDER / "device-test.html"
        if not page.is_file():
            return web.Response(
                status=503, text="The pages have not been built: run `make install`, or install with pip.\n"
            )
        return web.FileResponse(page)


def guard(origins: Origins) -> Middleware:
    """A middleware: CORS for the origins that are allowed, security headers, and errors as JSON."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not origins.serve(request.host):
            detail = ErrorDetail("invalid", f"{request.host} is not served here; name it in STRESSWIRE_CORS_ORIGINS")
            return json_response(refusal(detail), 403)
        if request.path.startswith(SOCKET_IO):
            return await handler(as_eio_4(request))  # python-socketio sets its own headers
        try:
            response = web.Response(status=204) if _is_preflight(request) else await handler(request)
        except web.HTTPException as error:
            response = _as_json(error)
        except Exception:  # whatever a client sends, it gets an answer and the listener goes on
            log.exception("%s %s failed", request.method, request.path)
            response = json_response(refusal(ErrorDetail("internal", "an error of the server's own")), 500)
        origin = request.headers.get(hdrs.ORIGIN)
        if origin is not None and origins.allow(origin, request.host):
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "GET, POST, OPTIONS"
            response.headers[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = "Content-Type, Idempotency-Key"
        response.headers[hdrs.VARY] = hdrs.ORIGIN
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        return response

    return middleware


def json_response(body: Struct, status: int = 200) -> web.Response:
    """`body` as JSON."""
    return web.Response(body=encode(body), status=status, content_type="application/json")


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


def _is_preflight(request: web.Request) -> bool:
    return request.method == hdrs.METH_OPTIONS and hdrs.ACCESS_CONTROL_REQUEST_METHOD in request.headers


def _as_json(error: web.HTTPException) -> web.Response:
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        detail = ErrorDetail("too_large", f"a message must be at most {MAX_PAYLOAD_BYTES} bytes")
    else:
        detail = ErrorDetail("invalid", error.reason)
    response = json_response(refusal(detail), error.status)
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return response
