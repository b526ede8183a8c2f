import pytest

from broker.contract import DeviceCommand, encode, percent


def test_a_default_is_left_out() -> None:
    assert encode(DeviceCommand("c1", "restart")) == b'{"command_id":"c1","command":"restart"}'


@pytest.mark.parametrize(("fraction", "shown"), [(0, 0.0), (0.85, 85.0), (0.123456, 12.35), (1, 100.0)])
def test_a_fraction_in_percent_has_two_decimals(fraction: float, shown: float) -> None:
    assert percent(fraction) == shown
