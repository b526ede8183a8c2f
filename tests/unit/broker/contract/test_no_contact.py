"""Values of sensors and libraries that mean "no contact", and values that only are out of range."""

import pytest

from broker.contract import RANGES
from broker.contract.no_contact import is_no_contact


@pytest.mark.parametrize(
    ("channel", "value"),
    [
        *(("hr", value) for value in (0, -1, -999, 255, 65535, -0.5)),  # a library's start value, error codes, FIT
        *(("temp", value) for value in (0, -127, -999, -273.15, 85, 655.35, 1037.55)),  # DS18B20, MLX90614
        *(("eda", value) for value in (-0.0003, -1, -999)),  # an amplifier's offset, error codes
    ],
)
def test_no_contact(channel: str, value: float) -> None:
    assert is_no_contact(channel, value)


@pytest.mark.parametrize(
    ("channel", "value"),
    [
        *(("hr", value) for value in (25, 70, 240, 12, 254, 900, 65534)),
        *(("temp", value) for value in (10, 36.6, 45, 5, 84.9, 98.6, 208, 3660)),
        *(("eda", value) for value in (0, 0.45, 100, 100.1, 450, 1023)),
        *((channel, value) for channel in RANGES for value in (float("nan"), float("inf"), float("-inf"))),
    ],
)
def test_a_value_in_or_out_of_range(channel: str, value: float) -> None:
    assert not is_no_contact(channel, value)


@pytest.mark.parametrize("channel", RANGES)
def test_a_valid_value_is_contact(channel: str) -> None:
    limits = RANGES[channel]
    assert not is_no_contact(channel, limits.low)
    assert not is_no_contact(channel, limits.high)
