"""Writes OpenAPI 3.1 from the gateway's table of routes."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from broker import contract
from broker.contract import HOLDERS, CommandId, DataReceived, DeviceId, Right
from gateway.access.browser_sessions import COOKIE
from gateway.http.routes.catalogue import ENDPOINTS
from gateway.http.routes.samples import POST_DATA
from gateway.http.routing import DEVICE, JSON, Content, Endpoint, RowId
from tools.contract.description import HTTP_HOST, TITLE, VERSION, doc_of, ecma
from tools.contract.document import to_yaml
from tools.contract.schemas import DIALECT, SENSOR_PAYLOAD, components, reference

_ERRORS = {
    400: "The request cannot be read; `error` names the field and the limit.",
    401: "No login, or one that is wrong, revoked or expired.",
    403: "The login has not the right.",
    408: "The body does not come.",
    404: "There is no such thing.",
    415: "The content type is not JSON.",
    429: "Too many requests.",
    503: "The database does not answer now; try again.",
}
_SEGMENTS: dict[str, Any] = {DEVICE: DeviceId, "command_id": CommandId}
"""The parts of paths that are no number of a row."""
_SECONDS = {"Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 0}}}


def render() -> str:
    """The whole file."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    bodies = {endpoint.body for endpoint in ENDPOINTS if endpoint.body is not None}
    answers = {one for endpoint in ENDPOINTS for content in endpoint.answers.values() for one in content.types}
    types = sorted(bodies | answers, key=lambda one: one.__name__)
    return to_yaml(
        {
            "openapi": "3.1.0",
            "jsonSchemaDialect": DIALECT,
            "info": {
                "title": TITLE,
                "version": VERSION,
                "description": doc_of(contract),
                "license": {"name": "MIT", "identifier": "MIT"},
            },
            "servers": [{"url": f"http://{HTTP_HOST}"}],
            "paths": paths,
            "components": {
                "schemas": components(*types),
                "securitySchemes": {
                    "token": {"type": "http", "scheme": "bearer", "description": "The token of a login."},
                    "login": {"type": "http", "scheme": "basic", "description": "A login's name and its token."},
                    "browser": {"type": "apiKey", "in": "cookie", "name": COOKIE},
                },
            },
        }
    )


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    needed = sorted(HOLDERS.get(endpoint.right, ()))
    description = [endpoint.description or "", f"Where logins are required: {', '.join(needed)}." if needed else ""]
    found: dict[str, Any] = {"operationId": endpoint.operation, "summary": endpoint.summary}
    if any(description):
        found["description"] = "\n\n".join(filter(None, description))
    if endpoint.right is not Right.NONE:
        found["security"] = [{}, {"token": []}, {"login": []}, {"browser": []}]
    parameters = [*_path(endpoint), *_query(endpoint.query), *_headers(endpoint)]
    if parameters:
        found["parameters"] = parameters
    if endpoint is POST_DATA:
        found["description"] = "\n\n".join((doc_of(contract.SENSOR_DATA.payload), found["description"]))
        found["requestBody"] = _request(reference(SENSOR_PAYLOAD))
    elif endpoint.body is not None:
        found["requestBody"] = _request(reference(endpoint.body.__name__))
    found["responses"] = {str(status): _response(status, one) for status, one in sorted(_answers(endpoint).items())}
    return found


def _answers(endpoint: Endpoint) -> dict[int, Content]:
    """Its own answers, and the errors that it may give."""
    may = {400, 403, 429}
    may |= {401} if endpoint.right is not Right.NONE or endpoint.body is not None else set()
    may |= {404} if DEVICE in endpoint.path else set()
    may |= {408} if endpoint.body is not None or endpoint is POST_DATA else set()
    may |= {415} if endpoint.body is not None else set()
    may |= {503} if endpoint.right is not Right.NONE or endpoint.body is not None else set()
    return {status: Content(_ERRORS[status], DataReceived) for status in may} | dict(endpoint.answers)


def _response(status: int, content: Content) -> dict[str, Any]:
    found: dict[str, Any] = {"description": content.description}
    if content.media:
        found["content"] = {one: {"schema": {"type": "object" if one == JSON else "string"}} for one in content.media}
    elif content.types:
        options = [reference(one.__name__) for one in content.types]
        found["content"] = {JSON: {"schema": options[0] if len(options) == 1 else {"anyOf": options}}}
    if content.body is DataReceived and status in (429, 503):
        found["headers"] = _SECONDS
    return found


def _request(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {JSON: {"schema": schema}}}


def _path(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _segment(name)}
        for name in re.findall(r"\{(\w+)", endpoint.path)
    ]


def _segment(name: str) -> dict[str, Any]:
    return _simple(msgspec.json.schema(_SEGMENTS.get(name, RowId)))


def _query(query: type[Struct] | None) -> list[dict[str, Any]]:
    if query is None:
        return []
    schema = msgspec.json.schema(query)["$defs"][query.__name__]
    return [
        {"name": name, "in": "query", "schema": _simple(one), "required": name in schema.get("required", ())}
        for name, one in schema["properties"].items()
    ]


def _simple(schema: dict[str, Any]) -> dict[str, Any]:
    """Without null, which a query cannot say."""
    options = [one for one in schema.get("anyOf", [schema]) if one.get("type") != "null"]
    found = {key: value for key, value in options[0].items() if key != "default" or value is not None}
    if "pattern" in found:
        found["pattern"] = ecma(found["pattern"])
    return found


def _headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint is not POST_DATA:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Makes a repeated request without `boot` and `seq` recognisable, so that it is stored once.",
            "schema": {"type": "string", "minLength": 1},
        }
    ]
