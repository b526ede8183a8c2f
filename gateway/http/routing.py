"""HTTP routes as a table: right, query, body, answers. Rights are checked here, and OpenAPI is generated from it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal

from aiohttp import hdrs, web
from msgspec import Meta, Struct

from broker.contract import DEVICE_ID_RULE, MAX_COUNT, DataReceived, Right, encode
from broker.contract.errors import RejectedError
from broker.contract.json_text import read_slowly
from broker.contract.requests import read_request
from broker.contract.samples import valid_device_id
from broker.contract.validation import short
from gateway.access.permissions import Caller
from gateway.access.rate_limit import Limits
from gateway.errors import HttpError, database_away, forbidden, unauthorized
from gateway.request_body import read_body
from storage.database import AWAY

JSON: Final = "application/json"
API: Final = "/api/"
CALLER: Final = web.RequestKey("caller", Caller)
DEVICE: Final = "device_id"
"""The part of a path that names a device."""


RowId = Annotated[int, Meta(ge=1, le=MAX_COUNT)]


class PageRequest(Struct, frozen=True):
    """A page of rows, newest first; `before_id` goes on after an earlier page."""

    limit: Annotated[int, Meta(ge=1, le=1_000)] = 100
    before_id: RowId | None = None


class Content(Struct, frozen=True):
    """An answer's description and body: one of the contract's or gateway's types, or media types."""

    description: str
    body: type[Struct] | tuple[type[Struct], ...] | tuple[str, ...] | None = None

    @property
    def types(self) -> tuple[type[Struct], ...]:
        """The types that the body may have."""
        return tuple(option for option in self._options if isinstance(option, type))

    @property
    def media(self) -> tuple[str, ...]:
        """The media types of a body that is not JSON of a type."""
        return tuple(option for option in self._options if isinstance(option, str))

    @property
    def _options(self) -> tuple[type[Struct] | str, ...]:
        if self.body is None:
            return ()
        return self.body if isinstance(self.body, tuple) else (self.body,)


class Endpoint(Struct, frozen=True, kw_only=True):
    """A route. A request that is not of the types `query` and `body` is rejected, with the name of the field.

    Below `API` a parameter that the route does not know is rejected too.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    operation: str
    summary: str
    right: Right
    answers: Mapping[int, Content]
    query: type[Struct] | None = None
    body: type[Struct] | None = None
    description: str | None = None

    @property
    def is_page(self) -> bool:
        """True if people open it: a browser, or a link, may add parameters of its own."""
        return any("text/html" in answer.media for answer in self.answers.values())


class Call(Struct, frozen=True):
    """A request that has passed the checks. `device_id` is empty if the path names no device."""

    request: web.Request
    caller: Caller
    device_id: str
    query: Any
    body: Any


Handle = Callable[[Call], Awaitable[Struct | web.StreamResponse | None]]


class Endpoints:
    """Adds routes to `app`; every handler runs after the checks."""

    def __init__(self, app: web.Application, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    def add(self, endpoint: Endpoint, handle: Handle) -> None:
        """Add a route. The handler's result is encoded; None becomes 204."""

        async def checked(request: web.Request) -> web.StreamResponse:
            caller = caller_of(request)
            self._limits.count_login(caller)
            device_id = _device_id(request)
            check(caller, endpoint.right, device_id)
            call = Call(request, caller, device_id or "", _query(endpoint, request), await _body(endpoint, request))
            try:
                answer = await handle(call)
            except AWAY as error:
                raise database_away() from error
            if answer is None:
                return web.Response(status=204)
            return answer if isinstance(answer, web.StreamResponse) else json_response(answer)

        self._app.router.add_route(endpoint.method, endpoint.path, checked)
        if endpoint.method == hdrs.METH_GET:
            self._app.router.add_route(hdrs.METH_HEAD, endpoint.path, checked)


def caller_of(request: web.Request) -> Caller:
    """Return the caller that the middleware has authenticated."""
    return request[CALLER]


def check(caller: Caller, right: Right, device_id: str | None = None) -> None:
    """Raise `HttpError` if the caller lacks a right, for `device_id` if it is given."""
    if caller.may(right, device_id):
        return
    if caller.unauthenticated:
        raise unauthorized("this needs a login")
    if device_id is not None and caller.may(right):
        raise forbidden(f"{caller.login} has no access to {device_id}")
    raise forbidden(f"{caller.login} does not have the right to {right.value}")


def row_id(call: Call, name: str) -> int:
    """Return the row's number that a part of the path gives. Raises `HttpError` if it can be none."""
    text = call.request.match_info[name]
    if not text.isdecimal() or not text.isascii() or not 0 < int(text[:20]) <= MAX_COUNT:
        raise HttpError(404, "not_found", f"{name} must be a number from 1 to {MAX_COUNT}", name)
    return int(text)


def json_response(body: Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response with `body` as JSON."""
    return web.Response(body=encode(body), status=status, content_type=JSON, headers=headers)


def error_response(error: HttpError) -> web.Response:
    """Return the response to a rejected request."""
    body = DataReceived(status="error", error=error.detail, message=error.detail.message)
    return json_response(body, error.status, error.headers)


def _device_id(request: web.Request) -> str | None:
    segment = request.match_info.get(DEVICE)
    if segment is None:
        return None
    device_id = valid_device_id(segment)
    if device_id is None:
        raise HttpError(404, "not_found", f"{DEVICE} must be {DEVICE_ID_RULE}, got {short(segment)}", DEVICE)
    return device_id


def _query(endpoint: Endpoint, request: web.Request) -> Any:
    if endpoint.query is None:
        if request.query and endpoint.path.startswith(API) and not endpoint.is_page:
            name = next(iter(request.query))[:64]
            raise HttpError(400, "invalid", f"{endpoint.method} {endpoint.path} takes no parameters, got {name!r}", name)
        return None
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise HttpError(400, "invalid", f"{name[:64]} must come once in the query", name[:64])
    return _read(request.query, endpoint.query, text=True)


async def _body(endpoint: Endpoint, request: web.Request) -> Any:
    if endpoint.body is None:
        return None
    if request.content_type != JSON:
        raise HttpError(415, "not_json", f"Content-Type must be {JSON}, got {request.content_type}")
    body = await read_body(request)
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise HttpError(400, "not_utf8", f"the body must be UTF-8: byte {error.start} is not") from error
    try:
        value = read_slowly(text)
    except RejectedError as error:
        raise HttpError.of(400, error.detail) from error
    return _read(value, endpoint.body)


def _read(value: object, kind: type[Struct], *, text: bool = False) -> Struct:
    try:
        return read_request(value, kind, text=text)
    except RejectedError as error:
        raise HttpError.of(400, error.detail) from error
