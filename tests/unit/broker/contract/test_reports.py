"""Reports of devices, also in words that are not the contract's."""

import json
from typing import Any

import pytest

from broker.contract import CommandResult, DeviceStatus
from broker.contract.errors import RejectedError
from broker.contract.reports import read_report


def status(payload: str) -> tuple[DeviceStatus, str]:
    report = read_report(payload.encode(), DeviceStatus)
    return report.payload, report.unused


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        # plain text: the commonest last wills
        ("offline", "offline"),
        ("online", "online"),
        ("Offline", "offline"),
        ("OFFLINE\n", "offline"),
        ('"offline"', "offline"),
        ("lost", "offline"),
        ("disconnected", "offline"),
        ("ready", "online"),
        ("connected", "online"),
        ("true", "online"),
        ("0", "offline"),
        ("1", "online"),
        ('{"online":false}', "offline"),
        ('{"status":1}', "online"),
        ("sleeping", "sleeping"),
        ("sleep", "sleeping"),
        # JSON in other words
        ('{"status":"offline"}', "offline"),
        ('{"status":"Online"}', "online"),
        ('{"state":"offline"}', "offline"),
        ('{"state":"OFFLINE","rssi":-70}', "offline"),
    ],
)
def test_a_status_in_other_words(payload: str, expected: str) -> None:
    assert status(payload) == (DeviceStatus(expected), "")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "expected", "unused"),
    [
        ({"battery": 101}, {}, "battery 101"),
        ({"battery": -1}, {}, "battery -1"),
        ({"battery": "88%"}, {}, "battery '88%'"),
        ({"battery": "88"}, {"battery": 88}, ""),
        ({"battery": "nan"}, {}, "battery 'nan'"),
        ({"firmware": "1.\ud800"}, {}, "firmware '1.\\ud800'"),
        ({"timestamp": "\udfff", "waiting": 1}, {"waiting": 1}, "timestamp '\\udfff'"),
        ({"timestamp": float("nan")}, {}, "timestamp nan"),
        ({"waiting": "3"}, {"waiting": 3}, ""),
        ({"battery": 88.0}, {"battery": 88}, ""),
        ({"battery": None}, {}, ""),
        ({"firmware": 1.2}, {"firmware": "1.2"}, ""),
        ({"firmware": "x" * 33}, {}, f"firmware '{'x' * 33}'"),
        ({"firmware": True}, {"firmware": "true"}, ""),
        ({"device_id": "a b"}, {}, "device_id 'a b'"),
        ({"waiting": -1, "dropped": 3}, {"dropped": 3}, "waiting -1"),
        ({"timestamp": {}, "waiting": 2}, {"waiting": 2}, "timestamp an object"),
        ({"battery": [1], "firmware": []}, {}, "battery an array, firmware an array"),
        ({"rssi": -70}, {}, ""),
    ],
)
def test_one_wrong_field_costs_itself(fields: dict[str, Any], expected: dict[str, Any], unused: str) -> None:
    assert status(json.dumps({"status": "online", **fields})) == (DeviceStatus("online", **expected), unused)


def test_a_number_that_is_none_costs_itself() -> None:
    payload, unused = status('{"status":"online","battery":nan,"waiting":4}')
    assert payload == DeviceStatus("online", waiting=4)
    assert unused == "battery nan"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ("2", "status must be one of online, offline, sleeping, got 2"),
        ("gone fishing", "status must be one of online, offline, sleeping, got 'gone fishing'"),
        ("{}", "status must be one of online, offline, sleeping, got nothing"),
        ('{"battery":88}', "status must be one of online, offline, sleeping, got nothing"),
        ("[]", "status must be one of online, offline, sleeping, got an array"),
        ('{"status":"off', 'status must be one of online, offline, sleeping, got \'{"status":"off\''),
    ],
)
def test_a_status_that_cannot_be_understood(payload: str, message: str) -> None:
    with pytest.raises(RejectedError, match="status must be") as raised:
        status(payload)
    assert (raised.value.detail.message, raised.value.detail.field) == (message, "status")


def test_a_status_that_is_nested_deeply() -> None:
    deep = "[" * 900 + "]" * 900
    assert status(f'{{"status":"online","battery":{deep}}}') == (DeviceStatus("online"), "battery an array")
    with pytest.raises(RejectedError, match="status must be"):
        status(f'{{"status":{deep}}}')


def test_not_utf8() -> None:
    with pytest.raises(RejectedError, match="UTF-8: byte 1 is not"):
        read_report(b"o\xff", DeviceStatus)


@pytest.mark.parametrize(
    ("payload", "expected", "unused"),
    [
        ('{"command_id":"c1","status":"done"}', CommandResult("c1", "done"), ""),
        ('{"command_id":7,"status":"done"}', CommandResult("7", "done"), ""),
        ('{"command_id":"c1","status":0}', CommandResult("c1", "0"), ""),
        ('{"command_id":"c1","status":true,"message":12.5}', CommandResult("c1", "true", "12.5"), ""),
        ('{"command_id":"c1","status":"done","message":["x"]}', CommandResult("c1", "done"), "message an array"),
        ('{"command_id":"c1","status":"done","extra":1}', CommandResult("c1", "done"), ""),
        (
            json.dumps({"command_id": "c1", "status": "done", "message": "x" * 1001}),
            CommandResult("c1", "done", "x" * 1000),
            "",
        ),
    ],
)
def test_a_result(payload: str, expected: CommandResult, unused: str) -> None:
    assert read_report(payload.encode(), CommandResult) == (expected, unused)


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ('{"status":"done"}', "command_id"),
        ('{"command_id":"","status":"done"}', "command_id"),
        ('{"command_id":"c1"}', "status"),
        ('{"command_id":"c1","status":""}', "status"),
        ('{"command_id":"c1","status":{}}', "status"),
        ('{"command_id":"c1","status":"\\ud800"}', "status"),
        ("done", "command_id"),
        ("[]", "command_id"),
    ],
)
def test_a_result_that_cannot_be_understood(payload: str, field: str) -> None:
    with pytest.raises(RejectedError, match=f"{field} must be there") as raised:
        read_report(payload.encode(), CommandResult)
    assert raised.value.detail.field == field
