import msgspec
import pytest

from broker.contract import (
    CommandResult,
    DeviceCommand,
    ErrorDetail,
    HistoryRequest,
    encode,
    field_of,
    invalid_request,
    percent,
)


def test_a_default_is_left_out() -> None:
    assert encode(DeviceCommand("c1", "restart")) == b'{"command_id":"c1","command":"restart"}'


@pytest.mark.parametrize(
    ("payload", "kind", "field"),
    [
        (b'{"limit": 0}', HistoryRequest, "limit"),
        (b'{"device_id": 7}', HistoryRequest, "device_id"),
        (b"[]", HistoryRequest, None),
        (b'{"command_id": "c"}', CommandResult, None),
    ],
)
def test_the_field_that_an_error_names(payload: bytes, kind: type, field: str | None) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(payload, type=kind)
    assert field_of(caught.value) == field


def test_the_error_of_a_request_names_the_field_and_what_is_wrong_with_it() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.convert({"limit": 0}, HistoryRequest)
    message = "cannot read the request: Expected `int` >= 1 - at `$.limit`"
    assert invalid_request(caught.value) == ErrorDetail("invalid", message, "limit")


@pytest.mark.parametrize(("fraction", "shown"), [(0, 0.0), (0.85, 85.0), (0.123456, 12.35), (1, 100.0)])
def test_a_fraction_in_percent_has_two_decimals(fraction: float, shown: float) -> None:
    assert percent(fraction) == shown
