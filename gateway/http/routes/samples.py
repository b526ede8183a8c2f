"""Samples over HTTP: for devices that speak neither MQTT nor Socket.IO."""

from typing import Final

from aiohttp import hdrs, web

from broker.contract import ANSWER_TIMEOUT_S, MAX_PAYLOAD_BYTES, DataReceived, ErrorCode, ErrorDetail, Right
from gateway.errors import RETRY_AFTER_S, HttpError
from gateway.headers import IDEMPOTENCY_KEY
from gateway.http.routing import JSON, Call, Content, Endpoint, Endpoints, json_response
from gateway.json_codec import JsonText
from gateway.metrics import Metrics
from gateway.request_body import read_body
from gateway.sample_requests import SampleRequests, key_of, rejected

_STATUS_OF: Final[dict[ErrorCode, int]] = {"conflict": 409, "too_large": 413, "timeout": 503}

POST_DATA: Final = Endpoint(
    method="POST",
    path="/api/esp32/data",
    operation="post_sensor_data",
    summary="Send a sample, or an array of samples.",
    right=Right.SEND,
    answers={
        200: Content("A resend: all of it was stored before; the answer names the first record.", DataReceived),
        201: Content("Stored.", DataReceived),
        207: Content("A part of the batch was stored; `errors` lists what was rejected.", DataReceived),
        400: Content("Nothing was stored; `error` and `errors` give the reasons.", DataReceived),
        409: Content("Nothing was stored: the same key was used before with other content.", DataReceived),
        413: Content(f"Larger than {MAX_PAYLOAD_BYTES} bytes.", DataReceived),
        415: Content("The content type is not JSON.", DataReceived),
        503: Content(
            f"No answer within {ANSWER_TIMEOUT_S:g} s: it may or may not be stored. Safe to repeat with a key.",
            DataReceived,
        ),
    },
)


class SampleRoutes:
    """Takes samples from devices that speak HTTP."""

    def __init__(self, requests: SampleRequests, metrics: Metrics) -> None:
        self._requests = requests
        self._metrics = metrics

    def add_to(self, endpoints: Endpoints) -> None:
        """Add the route."""
        endpoints.add(POST_DATA, self._take)

    async def _take(self, call: Call) -> web.Response:
        request = call.request
        body = await read_body(request)
        if request.content_type != JSON and not request.content_type.endswith("+json"):
            message = f"Content-Type must be {JSON}, got {request.content_type}"
            return json_response(rejected(ErrorDetail("not_json", message), key_of(JsonText(body))), 415)
        answer = await self._requests.send(JsonText(body), call.caller.sends_as, _idempotency_key(request))
        self._metrics.count("http", answer.received)
        status = status_of(answer.received)
        headers = {hdrs.RETRY_AFTER: str(RETRY_AFTER_S)} if status == 503 else None
        return web.Response(body=answer.raw, status=status, headers=headers, content_type=JSON)


def _idempotency_key(request: web.Request) -> str | None:
    """Return the key; raise `HttpError` for a header that is nearly it: without a key a resend is stored twice."""
    key = request.headers.get(IDEMPOTENCY_KEY)
    if key is not None and not key.strip():
        raise HttpError(400, "invalid", f"{IDEMPOTENCY_KEY} is empty: it must be new for each request", IDEMPOTENCY_KEY)
    if key is None:
        for name in request.headers:
            if name.lower().replace("_", "-").removeprefix("x-").replace("-", "") == "idempotencykey":
                raise HttpError(
                    400, "invalid", f"there is no header {name[:40]}; did you mean {IDEMPOTENCY_KEY}?", name[:40]
                )
    return key


def status_of(received: DataReceived) -> int:
    """The HTTP status that says the same as an answer."""
    if received.status == "partial":
        return 207
    if received.status == "success":
        return 200 if received.duplicate else 201
    return _STATUS_OF.get(received.error.code, 400) if received.error else 400
