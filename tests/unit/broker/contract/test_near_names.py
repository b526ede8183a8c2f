"""Fields of a sample under names that are nearly right."""

import pytest

from broker.contract import SensorSample
from broker.contract.near_names import meant_field, near_names


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("HR", "hr"),
        ("Hr", "hr"),
        ("heart_rate", "hr"),
        ("heartRate", "hr"),
        ("Heart Rate", "hr"),
        ("BPM", "hr"),
        ("pulse", "hr"),
        ("Temp", "temp"),
        ("temperature", "temp"),
        ("skin-temp", "temp"),
        ("skinTemperature", "temp"),
        ("EDA", "eda"),
        ("GSR", "eda"),
        ("skin_conductance", "eda"),
        ("time", "timestamp"),
        ("TimeStamp", "timestamp"),
        ("timestamp_ms", "timestamp"),
        ("millis", "uptime_ms"),
        ("uptimeMs", "uptime_ms"),
        ("timstamp", "timestamp"),
        ("recorded_at", "timestamp"),
        ("temp(C)", "temp"),
        ("temperature2", "temp"),
        ("heart.rate", "hr"),
        ("session", None),
        ("steps", None),
        ("device_type", None),
        ("t", None),
        ("bootId", "boot"),
        ("sequence", "seq"),
        ("deviceId", "device_id"),
        ("battery", None),
        ("hrv", None),
        ("rmssd", None),
        ("humidity", None),
    ],
)
def test_meant_field(name: str, field: str | None) -> None:
    assert meant_field(name) == field


def test_a_fields_own_name_means_the_field() -> None:
    assert all(meant_field(name) == name for name in SensorSample.__struct_fields__)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"hr":70,"temp":36}', {}),
        (b'{"heartRate":70,"temp":36}', {"hr": "heartRate"}),
        (b'{"HR" : 70, "Temp": 36, "GSR":1}', {"hr": "HR", "temp": "Temp", "eda": "GSR"}),
        (b'{"bpm":70,"pulse":71}', {"hr": "bpm"}),
        (b'{"note":"HR","battery":88}', {}),
        (b"[]", {}),
    ],
)
def test_near_names(text: bytes, found: dict[str, str]) -> None:
    assert near_names(text) == found
