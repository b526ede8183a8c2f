"""Numbers that sensors and their libraries give where they have no contact. Live samples and recordings agree on them."""

from math import inf
from typing import Final

from broker.contract.limits import RANGES

_CODES: Final = {
    "hr": (255.0, 65535.0),  # the invalid value of an 8-bit and a 16-bit field, as in FIT files
    "temp": (85.0, 655.35, 1037.55),  # DS18B20 after power-on; 0xFFFF of a 16-bit register; MLX90614's error flag
    "eda": (),
}
"""Positive codes; zero and less mean the same for every sensor, but for a skin conductance of 0, which can be measured."""


def is_no_contact(channel: str, value: float) -> bool:
    """Return True if a number of `hr`, `temp` or `eda`, in the contract's units, says that the sensor has no contact.

    Heart rates and temperatures of 0 and less, skin conductances below 0 (an amplifier's offset, or a code such as -999),
    and the codes of common sensors. All of them are outside the channel's range, and so is much that is none of them.
    """
    limits = RANGES[channel]
    if limits.low <= value <= limits.high:
        return False
    return -inf < value <= 0 or value in _CODES[channel]
