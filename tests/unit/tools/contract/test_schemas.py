"""The JSON Schemas are valid, and accept and refuse what the msgspec decoder accepts and refuses."""

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec import Struct

from broker import contract
from broker.contract.reports import read_report
from broker.contract.requests import read_request
from broker.contract.samples import Sample, decode
from tools.contract.__main__ import ROOT
from tools.contract.description import payload_types

TYPES = {cls.__name__: cls for cls in payload_types()}
READING = {
    "id": 123,
    "timestamp": "2024-12-10T10:30:00Z",
    "hr": 75.5,
    "temp": None,
    "eda": 0.45,
    "stress_level": "normal",
    "confidence": 85.0,
    "device_id": "ESP32_001",
    "stress_probability": 0.15,
    "quality": ["no_temp"],
}
ALERT = {
    "type": "stress_alert",
    "level": "high_stress",
    "confidence": 87.5,
    "message": "High stress level detected",
    "sensor_data": {"hr": 95, "temp": 37.1, "eda": None},
    "device_id": "ESP32_001",
    "timestamp": "2024-12-10T10:30:00Z",
    "alert_id": 7,
    "state": "raised",
    "late": False,
}
REFUSED = {"code": "out_of_range", "field": "hr", "message": "hr must be 25-240 bpm, got 900"}

ACCEPTED: list[tuple[str, Any]] = [
    ("SensorSample", {"hr": 75.5, "temp": 36, "eda": 0.45, "device_id": "ESP32:001", "boot": "a91f", "seq": 1207}),
    ("SensorSample", {"hr": 25, "temp": 10, "eda": 0, "timestamp": 1733826600.5}),
    ("SensorSample", {"hr": 240, "temp": 45, "eda": 100, "timestamp": "2024-12-10T10:30:00Z", "uptime_ms": 0}),
    ("SensorSample", {"hr": None, "eda": 1, "more": {"unknown": [1]}}),
    ("SensorSample", {"hr": 60, "boot": "~" + "a" * 32, "seq": 2**32 - 1, "device_id": "a" * 64}),
    ("SensorSample", {}),
    ("DataReceived", {"status": "success", "record_id": 123, "stress_prediction": {"label": "normal", "confidence": 1}}),
    ("DataReceived", {"status": "error", "error": REFUSED, "message": "no"}),
    ("DataReceived", {"status": "partial", "count": 1, "errors": [{"index": 1, "error": REFUSED, "boot": "a", "seq": 2}]}),
    ("NewSensorData", READING),
    ("StressAlert", ALERT),
    ("DeviceStatus", {"status": "sleeping", "timestamp": 1733826600}),
    ("DeviceStatus", {"status": "online", "firmware": "1.0.0", "waiting": 3, "dropped": 0}),
    ("DeviceCommand", {"command_id": "1", "command": "led", "value": True}),
    ("CommandResult", {"command_id": "1", "status": "done", "message": None}),
    ("ConnectionStatus", {"status": "connected", "client_type": "frontend"}),
    ("EventsSkipped", {"count": 12}),
    ("EventRejected", {"event": "pingg", "error": REFUSED}),
    ("ServerShutdown", {"reason": "stopping", "retry_after_s": 2}),
    ("AnnotationRequest", {"start": "2024-12-10T10:30:00Z", "label": "exercise", "note": "stairs"}),
    ("AnnotationSaved", {"status": "success", "id": 7}),
    ("ClientStats", {"total": 2, "esp32": 1, "frontend": 1}),
    ("HistoryRequest", {}),
    ("HistoryRequest", {"limit": 1000, "start_date": "2024-12-10"}),
    ("HistoryRequest", {"start_date": 1733826600, "end_date": "1733826600"}),
    ("HistoryData", {"data": [READING], "count": 1}),
    ("AlertSubscription", {"status": "subscribed"}),
    ("Pong", {"timestamp": "2024-12-10T10:30:00Z"}),
    ("HealthStatus", {"status": "ok", "database": "ok", "model": "ok", "broker": "ok"}),
    (
        "SystemStatus",
        {
            "status": "ok",
            "database": "ok",
            "model": "ok",
            "broker": "ok",
            "client_stats": {"total": 1, "esp32": 0, "frontend": 1},
        },
    ),
    (
        "WebSocketInfo",
        {
            "path": "/socket.io/",
            "client_types": ["esp32"],
            "events": [{"name": "ping", "sender": "client", "summary": "?"}],
        },
    ),
]

NOT_SAMPLES: list[Any] = [
    [],
    "x",
    None,
    {"hr": 24.9},
    {"hr": 240.1},
    {"temp": 9.9},
    {"temp": 45.1},
    {"eda": -0.1},
    {"eda": 100.1},
    {"hr": "75"},
    {"hr": True},
    {"hr": 75, "timestamp": False},
    {"hr": 75, "device_id": ""},
    {"hr": 75, "device_id": "a.b"},
    {"hr": 75, "device_id": "a" * 65},
    {"hr": 75, "boot": "a" * 33, "seq": 1},
    {"hr": 75, "boot": "a~", "seq": 1},
    {"hr": 75, "boot": "a", "seq": -1},
    {"hr": 75, "boot": "a", "seq": 2**32},
    {"hr": 75, "boot": "a", "seq": 1.5},
    {"hr": 75, "uptime_ms": -1},
]

WRONG: list[tuple[str, Any]] = [
    *[("SensorSample", value) for value in NOT_SAMPLES],
    ("DataReceived", {}),
    ("DataReceived", {"status": "fine"}),
    ("DataReceived", {"status": "success", "stress_prediction": {"label": "normal", "confidence": 85}}),
    ("DataReceived", {"status": "error", "error": REFUSED | {"code": "other"}}),
    ("NewSensorData", READING | {"confidence": 101}),
    ("NewSensorData", READING | {"quality": ["bad"]}),
    ("NewSensorData", {name: value for name, value in READING.items() if name != "hr"}),
    ("StressAlert", ALERT | {"state": "gone"}),
    ("StressAlert", ALERT | {"type": "other"}),
    ("StressAlert", ALERT | {"sensor_data": {"hr": 95}}),
    ("DeviceStatus", {"status": "away"}),
    ("DeviceStatus", {"status": "online", "dropped": -1}),
    ("DeviceCommand", {"command": "led"}),
    ("CommandResult", {"command_id": 1, "status": "done"}),
    ("ConnectionStatus", {"status": "connected", "client_type": "other"}),
    ("EventsSkipped", {"count": "many"}),
    ("EventRejected", {"event": "pingg"}),
    ("ServerShutdown", {"reason": "stopping"}),
    ("AnnotationRequest", {"start": "2024-12-10T10:30:00Z", "label": ""}),
    ("AnnotationSaved", {"status": "perhaps"}),
    ("ClientStats", {"total": 2, "esp32": 1}),
    ("HistoryRequest", {"limit": 0}),
    ("HistoryRequest", {"limit": 1001}),
    ("HistoryData", {"data": [{}], "count": 1}),
    ("AlertSubscription", {"status": "no"}),
    ("Pong", {}),
    ("HealthStatus", {"status": "fine", "database": "ok", "model": "ok", "broker": "ok"}),
    ("SystemStatus", {"status": "ok", "database": "ok", "model": "ok", "broker": "ok"}),
    ("WebSocketInfo", {"path": "/socket.io/", "client_types": ["toaster"], "events": []}),
]


def schema_of(name: str) -> Any:
    return json.loads((ROOT / f"docs/schemas/{name}.json").read_text())


def by_schema(name: str, value: object) -> bool:
    return bool(Draft202012Validator(schema_of(name)).is_valid(value))


def by_decoder(name: str, value: object) -> bool:
    try:
        msgspec.json.decode(json.dumps(value), type=TYPES[name])
    except msgspec.ValidationError:
        return False
    return True


WHOLE_NUMBERS: list[tuple[str, dict[str, Any]]] = [
    ("SensorSample", {"hr": 70.0, "boot": "a", "seq": 7.0, "uptime_ms": 5000.0}),
    ("DeviceStatus", {"status": "online", "waiting": 3.0, "dropped": 0.0}),
    ("HistoryRequest", {"limit": 10.0, "after_id": 5.0}),
]


@pytest.mark.parametrize(("name", "value"), WHOLE_NUMBERS)
def test_a_whole_number_with_a_point_is_an_integer_to_both(name: str, value: dict[str, Any]) -> None:
    assert by_schema(name, value)
    assert by_server(name, value)


def by_server(name: str, value: dict[str, Any]) -> bool:
    if name == "SensorSample":
        (element,) = decode(json.dumps(value).encode(), "d", now=contract.CLOCK_FLOOR).elements
        return isinstance(element, Sample)
    if name == "DeviceStatus":
        return not read_report(json.dumps(value).encode(), contract.DeviceStatus).unused
    return read_request(value, TYPES[name]) is not None


@pytest.mark.parametrize("name", TYPES)
def test_is_a_schema(name: str) -> None:
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"] == name
    assert "(?!" not in json.dumps(schema)


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_both_accept(name: str, value: object) -> None:
    assert (by_schema(name, value), by_decoder(name, value)) == (True, True)


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_both_refuse(name: str, value: object) -> None:
    assert (by_schema(name, value), by_decoder(name, value)) == (False, False)


def test_every_type_has_both_kinds_of_examples() -> None:
    assert {name for name, _ in ACCEPTED} == {name for name, _ in WRONG} == set(TYPES)


@pytest.mark.parametrize(("channel", "limits"), contract.RANGES.items())
def test_ranges_stand_in_the_schema(channel: str, limits: contract.Range) -> None:
    number = schema_of("SensorSample")["properties"][channel]["anyOf"][0]
    assert (number["minimum"], number["maximum"]) == (limits.low, limits.high)


def test_limits_stand_in_the_schemas() -> None:
    limit = schema_of("HistoryRequest")["properties"]["limit"]
    assert (limit["default"], limit["maximum"]) == (contract.HISTORY_DEFAULT, contract.HISTORY_MAX)
    assert schema_of("SensorSample")["properties"]["seq"]["anyOf"][0]["maximum"] == contract.MAX_SEQ


@pytest.mark.parametrize("cls", payload_types())
def test_times_are_marked(cls: type[Struct]) -> None:
    properties = schema_of(cls.__name__)["properties"]
    marked = {name for name, schema in properties.items() if '"date-time"' in json.dumps(schema)}
    assert marked == {field for field, kind in cls.__annotations__.items() if "datetime" in str(kind)}
