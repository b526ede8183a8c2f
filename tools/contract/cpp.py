"""Generator of the firmware's twin: a C++17 header of constants that includes only C headers."""

from typing import get_args

from broker import contract
from broker.contract import (
    CHANNELS,
    RANGES,
    CommandResult,
    DataReceived,
    DeviceCommand,
    DeviceState,
    DeviceStatus,
    ReceiptStatus,
    SensorSample,
)
from gateway.http.routes.samples import POST_DATA
from tools.contract.description import HEADER, SOCKET_PATH, constants

_DEVICE_PAYLOADS = (SensorSample, DataReceived, DeviceStatus, DeviceCommand, CommandResult)
"""Payloads that a device writes or reads."""

_START = """\
#ifndef STRESSWIRE_CONTRACT_GEN_H
#define STRESSWIRE_CONTRACT_GEN_H

#include <stdint.h>

namespace stresswire::contract {

/// Accepted values of a sensor channel, both ends included.
struct Range {
  float low;
  float high;
};

/// Topic <root>/<device_id>/<name>.
struct Channel {
  const char* name;
  uint8_t qos;
  bool retained;
  bool from_device;
};
"""

_END = """\
}  // namespace stresswire::contract

#endif
"""


def render() -> str:
    """Return the text of the file."""
    texts = [
        *(_text(name, getattr(contract, name)) for name in ("ROOT", "ANONYMOUS_DEVICE")),
        _text("POST_DATA_PATH", POST_DATA.path),
        _text("SOCKET_PATH", f"{SOCKET_PATH}?EIO=4&type=esp32"),
    ]
    channels = [
        f"/// {channel.summary}\n"
        + _constant(
            "Channel",
            channel.name.name,
            f'{{"{channel.name}", {channel.qos}, {_bool(channel.retained)}, {_bool(channel.sender == "device")}}}',
        )
        for channel in CHANNELS
    ]
    ranges = [
        f"/// {value.unit}\n" + _constant("Range", f"RANGE_{name}", f"{{{_float(value.low)}, {_float(value.high)}}}")
        for name, value in RANGES.items()
    ]
    blocks = (texts, channels, _words(), ranges, _limits())
    return "\n".join([f"// {HEADER}\n{_START}", *map("".join, blocks), _END])


def _words() -> list[str]:
    """Return the constants for names of fields and for the strings that may be their values."""
    fields = sorted({name for payload in _DEVICE_PAYLOADS for name in payload.__struct_fields__})
    words = {"STATUS": get_args(DeviceState), "RECEIPT": get_args(ReceiptStatus)}
    return [
        *(_text(f"FIELD_{name}", name) for name in fields),
        *(_text(f"{kind}_{word}", word) for kind, values in words.items() for word in values),
    ]


def _limits() -> list[str]:
    numbers = {name: value for name, value in constants().items() if not isinstance(value, str)}
    return [
        *(
            _constant("float", name, _float(value))
            if isinstance(value, float)
            else _constant("uint32_t" if value < 2**32 else "uint64_t", name, f"{value}u")
            for name, value in numbers.items()
        ),
        "/// A device's clock before this time was never set.\n"
        + _constant("int64_t", "CLOCK_FLOOR_UNIX_S", str(int(contract.CLOCK_FLOOR.timestamp()))),
        "/// First character of a boot that the pipeline generated; devices may not send it.\n"
        + _constant("char", "STAMP", f"'{contract.STAMP}'"),
    ]


def _text(name: str, value: str) -> str:
    return _constant("char", name, f'"{value}"', "[]")


def _constant(kind: str, name: str, value: str, suffix: str = "") -> str:
    """Return a constant's definition; its name cannot collide with one of Arduino's macros."""
    words = "".join(word.capitalize() for word in name.split("_"))
    return f"inline constexpr {kind} k{words}{suffix} = {value};\n"


def _float(value: float) -> str:
    return f"{float(value)!r}f"


def _bool(value: bool) -> str:
    return "true" if value else "false"
