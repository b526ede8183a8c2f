"""Writes OpenAPI 3.1: the gateway's HTTP routes."""

from typing import Any

from broker import contract
from broker.contract import DataReceived, HealthStatus, SystemStatus, WebSocketInfo
from gateway.routes import DATA, INFO, READY, STATUS, TEST_PAGE
from tools.contract.description import HTTP_HOST, TITLE, VERSION, doc_of
from tools.contract.document import to_yaml
from tools.contract.schemas import DIALECT, SENSOR_PAYLOAD, components, reference

_ANSWERS = {
    "200": "A resend: everything was stored before, and is answered with the first record.",
    "201": "Stored.",
    "207": "A part of the batch was stored; `errors` says what was refused.",
    "400": "Nothing was stored; `error` and `errors` say why.",
    "409": "Nothing was stored: the same key came before with other content.",
    "413": f"Larger than {contract.MAX_PAYLOAD_BYTES} bytes.",
    "415": "The content type is not JSON.",
    "503": f"No answer within {contract.ANSWER_TIMEOUT_S:g} s: it may or may not be stored. Safe to repeat with a key.",
}


def render() -> str:
    """The whole file."""
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
            "paths": {
                DATA: {"post": _post_data()},
                INFO: {"get": _get("websocket_info", doc_of(WebSocketInfo), WebSocketInfo.__name__)},
                STATUS: {"get": _get("system_status", doc_of(SystemStatus), SystemStatus.__name__)},
                TEST_PAGE: {"get": _test_page()},
                READY: {"get": _readiness()},
            },
            "components": {"schemas": components()},
        }
    )


def _json(description: str, schema: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": reference(schema)}}}


def _get(operation: str, summary: str, schema: str) -> dict[str, Any]:
    return {"operationId": operation, "summary": summary, "responses": {"200": _json(summary, schema)}}


def _post_data() -> dict[str, Any]:
    responses = {status: _json(text, DataReceived.__name__) for status, text in _ANSWERS.items()}
    responses["503"]["headers"] = {
        "Retry-After": {"description": "Seconds.", "required": True, "schema": {"type": "integer", "minimum": 0}}
    }
    return {
        "operationId": "post_sensor_data",
        "summary": contract.SENSOR_DATA.summary,
        "description": doc_of(contract.SENSOR_DATA.payload),
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "Makes a repeated request without `boot` and `seq` recognisable, so that it is stored once.",
                "schema": {"type": "string", "minLength": 1},
            }
        ],
        "requestBody": {"required": True, "content": {"application/json": {"schema": reference(SENSOR_PAYLOAD)}}},
        "responses": responses,
    }


def _test_page() -> dict[str, Any]:
    page = {"description": "The page.", "content": {"text/html": {"schema": {"type": "string"}}}}
    return {"operationId": "websocket_test", "summary": "A page that tries the connection.", "responses": {"200": page}}


def _readiness() -> dict[str, Any]:
    operation = _get("ready", "Whether every part can work.", HealthStatus.__name__)
    operation["responses"]["503"] = _json("A part cannot work.", HealthStatus.__name__)
    return operation
