"""Generator of OpenAPI 3.1 from the gateway's table of routes."""

import re
from typing import Any

import msgspec
from msgspec import Struct

from broker import contract
from broker.contract import HOLDERS, CommandId, DataReceived, DeviceId, Right
from gateway.access.browser_sessions import COOKIE, SessionCookie
from gateway.http.routes.catalogue import ENDPOINTS
from gateway.http.routes.samples import POST_DATA
from gateway.http.routing import DEVICE, JSON, Content, Endpoint, RowId
from tools.contract.description import HTTP_HOST, TITLE, VERSION, doc_of, ecma
from tools.contract.document import to_yaml
from tools.contract.schemas import DIALECT, SENSOR_PAYLOAD, components, reference

_ERRORS = {
    400: "The request is invalid; `error` names the field and its limit.",
    401: "Credentials are missing, wrong, revoked or expired.",
    403: "The login lacks the required right.",
    408: "The request body was not received in time.",
    404: "Not found.",
    415: "The content type is not JSON.",
    429: "Too many requests.",
    503: "The database is not available; retry later.",
}
_SEGMENTS: dict[str, Any] = {DEVICE: DeviceId, "command_id": CommandId}
"""Types of the path parameters that are not row ids."""
_BELOW = f"Where STRESSWIRE_PUBLIC_URL has a path, such as /stress: {SessionCookie.at('/stress/').name}."
_SECONDS = {"Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 0}}}


def render() -> str:
    """Return the text of the file."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    bodies = {endpoint.body for endpoint in ENDPOINTS if endpoint.body is not None}
    answers = {cls for endpoint in ENDPOINTS for content in endpoint.answers.values() for cls in content.types}
    types = sorted(bodies | answers, key=lambda cls: cls.__name__)
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
                    "browser": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": _BELOW},
                },
            },
        }
    )


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    needed = sorted(HOLDERS.get(endpoint.right, ()))
    description = [endpoint.description or "", f"If logins are required: {', '.join(needed)}." if needed else ""]
    operation: dict[str, Any] = {"operationId": endpoint.operation, "summary": endpoint.summary}
    if any(description):
        operation["description"] = "\n\n".join(filter(None, description))
    if endpoint.right is not Right.NONE:
        operation["security"] = [{}, {"token": []}, {"login": []}, {"browser": []}]
    parameters = [*_path(endpoint), *_query(endpoint.query), *_headers(endpoint)]
    if parameters:
        operation["parameters"] = parameters
    if endpoint is POST_DATA:
        operation["description"] = "\n\n".join((doc_of(contract.SENSOR_DATA.payload), operation["description"]))
        operation["requestBody"] = _request(reference(SENSOR_PAYLOAD))
    elif endpoint.body is not None:
        operation["requestBody"] = _request(reference(endpoint.body.__name__))
    answers = sorted(_answers(endpoint).items())
    operation["responses"] = {str(status): _response(status, content) for status, content in answers}
    return operation


def _answers(endpoint: Endpoint) -> dict[int, Content]:
    """Return the answers of an endpoint by status: its own, and the errors that it may give."""
    errors = {400, 403, 429}
    errors |= {401} if endpoint.right is not Right.NONE or endpoint.body is not None else set()
    errors |= {404} if DEVICE in endpoint.path else set()
    errors |= {408} if endpoint.body is not None or endpoint is POST_DATA else set()
    errors |= {415} if endpoint.body is not None else set()
    errors |= {503} if endpoint.right is not Right.NONE or endpoint.body is not None else set()
    return {status: Content(_ERRORS[status], DataReceived) for status in errors} | dict(endpoint.answers)


def _response(status: int, content: Content) -> dict[str, Any]:
    response: dict[str, Any] = {"description": content.description}
    if content.media:
        response["content"] = {
            media: {"schema": {"type": "object" if media == JSON else "string"}} for media in content.media
        }
    elif content.types:
        options = [reference(cls.__name__) for cls in content.types]
        response["content"] = {JSON: {"schema": options[0] if len(options) == 1 else {"anyOf": options}}}
    if content.body is DataReceived and status in (429, 503):
        response["headers"] = _SECONDS
    return response


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
        {"name": name, "in": "query", "schema": _simple(field), "required": name in schema.get("required", ())}
        for name, field in schema["properties"].items()
    ]


def _simple(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema without null, which a query parameter cannot express."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    simple = {key: value for key, value in options[0].items() if key != "default" or value is not None}
    if "pattern" in simple:
        simple["pattern"] = ecma(simple["pattern"])
    return simple


def _headers(endpoint: Endpoint) -> list[dict[str, Any]]:
    if endpoint is not POST_DATA:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Identifies a repeated request without `boot` and `seq`, so that its samples are stored once.",
            "schema": {"type": "string", "minLength": 1},
        }
    ]
