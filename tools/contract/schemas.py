"""Generator of one JSON Schema 2020-12 per payload type, and of the schemas that AsyncAPI and OpenAPI refer to."""

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
    """Return the text of each file by the name of its type."""
    return {cls.__name__: json.dumps(_document(cls), indent=2) + "\n" for cls in payload_types()}


def components(*extra: type[Struct]) -> dict[str, Any]:
    """Return the schemas below `#/components/schemas` by name: payload types, nested types, and the samples' payload."""
    schemas = _schemas((*payload_types(), *extra), "#/components/schemas/{name}")
    sample = reference(SENSOR_DATA.payload.__name__)
    schemas[SENSOR_PAYLOAD] = {
        "title": SENSOR_PAYLOAD,
        "description": f"A sample, an array of at most {MAX_BATCH} samples, or a JSON string that holds either.",
        "anyOf": [
            sample,
            {"type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": sample},
            {"type": "string", "contentMediaType": "application/json"},
        ],
    }
    return schemas


def reference(name: str) -> dict[str, str]:
    """Return a reference to one of `components`."""
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
            value = schema["properties"][field.encode_name]
            for option in value.get("anyOf", [value]):
                _amend(option, field.type)
    return schemas


def _amend(option: dict[str, Any], info: types.Type) -> None:
    """Add the format that msgspec leaves out, and remove pattern syntax that only Python understands."""
    if "pattern" in option:
        option["pattern"] = ecma(option["pattern"])
    is_time = any(isinstance(part, types.DateTimeType) for part in (info, *parts(info)))
    if is_time and option.get("type") == "string":
        option["format"] = "date-time"
