"""Requests of clients: what is wrong is told by field, limit and value, in words that say what to write."""

from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct

from broker.contract import TIME_RULE, AnnotationRequest, DeviceCommand, HistoryRequest
from broker.contract.device_messages import CommandValue
from broker.contract.errors import RejectedError
from broker.contract.limits import Boot, DeviceId
from broker.contract.requests import read_request, suggestion


class Everything(Struct, frozen=True):
    """One field of each type that a request may have."""

    must: bool
    count: Annotated[int, Meta(ge=1, le=9)] = 1
    most: Annotated[int, Meta(ge=0)] = 0
    any_number: float | None = None
    share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    kind: Literal["raw", "1m"] = "raw"
    free: str = ""
    label: Annotated[str, Meta(max_length=5)] = ""
    device_id: DeviceId | None = None
    boot: Boot | None = None
    value: CommandValue | None = None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"must": True}, Everything(must=True)),
        ({"must": True, "count": 2.0}, Everything(must=True, count=2)),
        ({"must": True, "count": None, "share": None}, Everything(must=True)),
        ({"must": False, "share": 1, "kind": "1m"}, Everything(must=False, share=1.0, kind="1m")),
    ],
)
def test_read(data: dict[str, Any], expected: Everything) -> None:
    assert read_request(data, Everything) == expected


def test_a_query_is_text() -> None:
    expected = HistoryRequest(limit=5, device_id="7", after_id=10)
    assert read_request({"limit": "5", "device_id": "7", "after_id": "10"}, HistoryRequest, text=True) == expected


@pytest.mark.parametrize(
    ("data", "field", "message"),
    [
        ({}, "must", "must is missing: it must be true or false"),
        ({"must": None}, "must", "must is missing: it must be true or false"),
        ({"must": "yes"}, "must", "must must be true or false, got 'yes'"),
        ({"must": True, "count": 10}, "count", "count must be a whole number from 1 to 9, got 10"),
        ({"must": True, "count": 1.5}, "count", "count must be a whole number from 1 to 9, got 1.5"),
        ({"must": True, "count": "3"}, "count", "count must be a whole number from 1 to 9, got '3'"),
        ({"must": True, "count": True}, "count", "count must be a whole number from 1 to 9, got a boolean"),
        ({"must": True, "most": -1}, "most", "most must be a whole number from 0, got -1"),
        ({"must": True, "any_number": "x"}, "any_number", "any_number must be a number, got 'x'"),
        ({"must": True, "any_number": float("nan")}, "any_number", "any_number must be a finite number"),
        ({"must": True, "share": 2}, "share", "share must be a number from 0 to 1, got 2"),
        ({"must": True, "kind": "1M"}, "kind", "kind must be one of 1m, raw, got '1M'"),
        ({"must": True, "free": 7}, "free", "free must be text, got 7"),
        ({"must": True, "label": "x" * 50}, "label", f"label must be text of 0-5 characters, got '{'x' * 36}..."),
        ({"must": True, "device_id": "a b"}, "device_id", "device_id must be 1-64 letters, digits, _, : and -, got 'a b'"),
        ({"must": True, "boot": ""}, "boot", "boot must be 1-32 letters, digits, _, : and -, got ''"),
        (
            {"must": True, "value": [1]},
            "value",
            "value must be text of 0-256 characters or a number or true or false, got an array",
        ),
        ({"must": True, "Count": 1}, "Count", "there is no field 'Count'; did you mean count?"),
        ({"must": True, "anyNumber": 1}, "anyNumber", "there is no field 'anyNumber'; did you mean any_number?"),
        ([], None, "the request must be a JSON object, got an array"),
        (None, None, "the request must be a JSON object, got null"),
        ("x", None, "the request must be a JSON object, got a string"),
    ],
)
def test_rejected(data: object, field: str | None, message: str) -> None:
    with pytest.raises(RejectedError) as raised:
        read_request(data, Everything)
    assert (raised.value.detail.field, raised.value.detail.message) == (field, message)


@pytest.mark.parametrize(
    ("kind", "data", "message"),
    [
        (HistoryRequest, {"device": "A"}, "there is no parameter 'device'; did you mean device_id?"),
        (HistoryRequest, {"limit": "0"}, "limit must be a whole number from 1 to 1000, got '0'"),
        (HistoryRequest, {"limit": "ten"}, "limit must be a whole number from 1 to 1000, got 'ten'"),
        (HistoryRequest, {"device_id": ""}, "device_id must be 1-64 letters, digits, _, : and -, got ''"),
        (
            HistoryRequest,
            {"resolution": "1min"},
            "resolution must be one of auto, day, hour, minute, raw, got '1min'",
        ),
        (
            HistoryRequest,
            {"zzz": "1"},
            "there is no parameter 'zzz'; known are limit, start_date, end_date, device_id, after_id, cursor, resolution",
        ),
        (AnnotationRequest, {"label": "stress"}, f"start is missing: it must be {TIME_RULE}"),
        (DeviceCommand, {"command_id": "c", "comand": "x"}, "there is no parameter 'comand'; did you mean command?"),
    ],
)
def test_the_contracts_requests(kind: type[Struct], data: dict[str, str], message: str) -> None:
    with pytest.raises(RejectedError) as raised:
        read_request(data, kind, text=True)
    assert raised.value.detail.message == message


def test_what_is_said_if_nothing_is_near() -> None:
    assert suggestion("x", ["annotate"], "see /docs") == "; see /docs"
    assert suggestion("anotate", ["annotate"], "see /docs") == "; did you mean annotate?"


def test_a_type_without_words_is_a_defect() -> None:
    class Nested(Struct, frozen=True):
        inner: Everything

    with pytest.raises(TypeError, match="no fields of the type"):
        read_request({"inner": 1}, Nested)


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("esp32-sensor-data", ["esp32_sensor_data", "annotate"], "; did you mean esp32_sensor_data?"),
        ("/API/History/", ["/api/history", "/api/alerts"], "; did you mean /api/history?"),
        ("x", ["annotate", "history"], "; known are annotate, history"),
        ("x", [], ""),
    ],
)
def test_suggestion(word: str, known: list[str], expected: str) -> None:
    assert suggestion(word, known) == expected
