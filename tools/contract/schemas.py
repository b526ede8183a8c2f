"""Writes one JSON Schema 2020-12 per payload type, and the schemas that AsyncAPI and OpenAPI refer to."""

import json
from typing import Any

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from broker.contract import MAX_BATCH, SENSOR_DATA
from tools.contract.description import HEADER, doc_of, ecma, parts, payload_types, structs

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SENSOR_PAYLOAD = "SensorPayload"


def render() -> dict[str, str]:
    """A file's text by its type's name."""
    return {cls.__name__: json.dumps(_document(cls), indent=2) + "\n" for cls in payload_types()}


def components(*extra: type[Struct]) -> dict[str, Any]:
    """Every payload type's schema, those inside them, and what may be sent as samples, under `#/components/schemas`."""
    schemas = _schemas((*payload_types(), *extra), "#/components/schemas/{name}")
    sample = reference(SENSOR_DATA.payload.__name__)
    schemas[SENSOR_PAYLOAD] = {
        "title": SENSOR_PAYLOAD,
        "description": f"A sample, an array of at most {MAX_BATCH} of them, or a JSON string that holds either.",
        "anyOf": [
            sample,
            {"type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": sample},
            {"type": "string", "contentMediaType": "application/json"},
        ],
    }
    return schemas


def reference(name: str) -> dict[str, str]:
    """A reference to one of `components`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _document(cls: type[Struct]) -> dict[str, Any]:
    schemas = _schemas((cls,), "#/$defs/{name}")
    document = {"$schema": DIALECT, "$comment": HEADER, **schemas.pop(cls.__name__)}
    return document | ({"$defs": schemas} if schemas else {})


def _schemas(classes: tuple[type[Struct], ...], template: str) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(classes, ref_template=template)
    for struct in structs(classes):
        schema = schemas[struct.cls.__name__]
        schema["description"] = doc_of(struct.cls)
        for field in struct.fields:
            own = schema["properties"][field.encode_name]
            for option in own.get("anyOf", [own]):
                _amend(option, field.type)
    return schemas


def _amend(option: dict[str, Any], info: types.Type) -> None:
    """Say what msgspec leaves out, and leave out what only Python reads."""
    if "pattern" in option:
        option["pattern"] = ecma(option["pattern"])
    is_time = any(isinstance(part, types.DateTimeType) for part in (info, *parts(info)))
    if is_time and option.get("type") == "string":
        option["format"] = "date-time"
