import msgspec
import pytest

from broker.contract import CommandResult, DeviceCommand, HistoryRequest, encode, field_of


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
