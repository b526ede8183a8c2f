"""Reports of devices about themselves, also in other words than the contract's, as far as they can be understood. Pure."""

from functools import cache
from math import isfinite
from typing import Any, Final, Generic, NamedTuple, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from broker.contract.device_messages import CommandResult, DeviceState, DeviceStatus
from broker.contract.errors import RejectedError
from broker.contract.json_text import read_slowly
from broker.contract.validation import as_whole, short

T = TypeVar("T", bound=Struct)

_STATES: Final[dict[str, DeviceState]] = {
    **{state: state for state in get_args(DeviceState)},
    "connected": "online",
    "ready": "online",
    "alive": "online",
    "disconnected": "offline",
    "lost": "offline",
    "dead": "offline",
    "sleep": "sleeping",
    "asleep": "sleeping",
}
"""The states of a device, also in the words of other conventions for MQTT (Homie; Tasmota and ESPHome in capitals)."""
_STATE_FIELDS: Final = ("status", "state", "online")
"""Zigbee2MQTT and others call it `state`; ``{"online": false}`` is what many sketches send."""
_MAX_TEXT: Final = 1_000


class Report(NamedTuple, Generic[T]):
    """A device's report, and what of it could not be used: a text for the log, empty if all of it could."""

    payload: T
    unused: str


def read_report(payload: bytes, kind: type[T]) -> Report[T]:
    """Read a `DeviceStatus` or a `CommandResult`, whatever else is in it; a status may be plain text, as in ``offline``.

    Raises:
        RejectedError: a field that must be there is not, or cannot be understood.
    """
    try:
        text = payload.decode().strip()
    except UnicodeDecodeError as error:
        raise RejectedError("not_utf8", f"it must be UTF-8: byte {error.start} is not") from error
    fields = _fields(text, kind)
    used: dict[str, Any] = {}
    unused: list[str] = []
    for name, hint in _hints(kind).items():
        value = as_whole(fields.get(name))
        if value is None:
            continue
        if not _can_be_sent(value):
            unused.append(f"{name} {short(value)}")
            continue
        try:
            used[name] = msgspec.convert(_as_text(value) if name in _TEXTS[kind] else _as_number(value), hint)
        except msgspec.ValidationError:
            unused.append(f"{name} {short(value)}")
    try:
        return Report(msgspec.convert(used, kind), ", ".join(unused))
    except msgspec.ValidationError as error:
        missing = next(name for name in _hints(kind) if name not in used)
        got = "nothing" if fields.get(missing) is None else short(fields[missing])
        rule = f"one of {', '.join(get_args(DeviceState))}" if missing == "status" and kind is DeviceStatus else "there"
        raise RejectedError("invalid", f"{missing} must be {rule}, got {got}", missing) from error


def _can_be_sent(value: object) -> bool:
    """Return False for what JSON reads and no message may hold: half a character, a number that is none."""
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return not isinstance(value, float) or isfinite(value)


_TEXTS: Final[dict[type[Struct], tuple[str, ...]]] = {
    DeviceStatus: ("firmware",),
    CommandResult: ("command_id", "status", "message"),
}
"""Fields of text for which a number may come, as in a firmware 1.2."""


def _as_text(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    return value[:_MAX_TEXT] if isinstance(value, str) else str(value) if isinstance(value, int | float) else value


def _as_number(value: object) -> object:
    """Return a number that came as text, as many a sketch sends it."""
    if isinstance(value, str):
        try:
            return as_whole(float(value))
        except ValueError:
            return value
    return value


def _fields(text: str, kind: type[Struct]) -> dict[str, Any]:
    try:
        value = read_slowly(text)
    except RejectedError:
        value = text
    if kind is not DeviceStatus:
        return value if isinstance(value, dict) else {}
    if isinstance(value, dict):
        value = {**value, "status": next((value[name] for name in _STATE_FIELDS if name in value), None)}
    else:
        value = {"status": value}
    word = value["status"]
    if word in (0, 1) and isinstance(word, int):  # also true and false
        word = "online" if word else "offline"
    return {**value, "status": _STATES.get(word.strip().lower(), word) if isinstance(word, str) else word}


@cache
def _hints(kind: type[Struct]) -> dict[str, Any]:
    return get_type_hints(kind, include_extras=True)
