"""Validation errors of samples: messages that name the field, its limit and the value received."""

import re
from collections.abc import Callable
from math import inf, isfinite
from typing import Any, TypeGuard

from broker.contract import (
    BOOT,
    BOOT_RULE,
    DEVICE_ID,
    DEVICE_ID_RULE,
    MAX_COUNT,
    MAX_SEQ,
    RANGES,
    STAMP,
    TIME_RULE,
    ErrorDetail,
)
from broker.contract.errors import RejectedError
from broker.contract.no_contact import is_no_contact
from broker.contract.times import parse_time

_SEND_NULL = "send null where there is no contact"

is_device_id = re.compile(DEVICE_ID).search
is_boot = re.compile(BOOT).search


def reserved() -> RejectedError:
    """Return the error for a `boot` that only the pipeline may generate."""
    return RejectedError("reserved", f"boot must not begin with {STAMP}, which is for the pipeline", "boot")


def bad_time(field: str, value: object, error: ValueError) -> RejectedError:
    """Return the error for a time that `parse_time` does not take."""
    return RejectedError("invalid", f"{field} must be {TIME_RULE}, got {short(as_whole(value))}: {error}", field)


def as_whole(value: object) -> object:
    """Return a float without a fraction as an integer: to JSON they are the same number."""
    return int(value) if type(value) is float and value.is_integer() else value


def corrected(element: dict[str, Any]) -> tuple[dict[str, Any], tuple[ErrorDetail, ...]]:
    """Return an element as it is meant: whole numbers with a point as integers, and null for what means no contact.

    The second part tells which values became null. If none of the sensors is left, nothing is taken away.
    """
    meant = {name: as_whole(value) for name, value in element.items()}
    silent = {name: value for name in RANGES if _is_number(value := meant.get(name)) and is_no_contact(name, value)}
    if not silent or all(name in silent or meant.get(name) is None for name in RANGES):
        return meant, ()
    warnings = tuple(
        ErrorDetail("no_contact", f"{name} {short(element[name])} was stored as null: {_SEND_NULL}", name)
        for name in silent
    )
    return {**meant, **dict.fromkeys(silent)}, warnings


def check_fields(element: dict[str, Any], *, trusted: bool) -> None:
    """Raise `RejectedError` for the first field that is not valid.

    In a message of the pipeline (`trusted`) a `boot` may be generated.
    """
    boot = element.get("boot")
    for field, check in _CHECKS.items():
        if field == "boot" and isinstance(boot, str) and boot.startswith(2 * STAMP if trusted else STAMP):
            raise reserved()
        if element.get(field) is not None:
            check(field, element[field])


def _check_channel(field: str, value: object) -> None:
    limits = RANGES[field]
    number = _number(field, value)
    if not isfinite(number):
        raise RejectedError("not_finite", f"{field} must be a finite number, {limits}; {_SEND_NULL}", field)
    if not limits.low <= number <= limits.high:
        raise RejectedError("out_of_range", f"{field} must be {limits}, got {short(value)}; {_SEND_NULL}", field)


def _check_name(field: str, value: object) -> None:
    rule, pattern = (DEVICE_ID_RULE, is_device_id) if field == "device_id" else (BOOT_RULE, is_boot)
    if not isinstance(value, str):
        raise RejectedError("wrong_type", f"{field} must be a string, got {kind_of(value)}", field)
    if not pattern(value):
        raise RejectedError("invalid", f"{field} must be {rule}, got {short(value)}", field)


def _check_count(field: str, value: object) -> None:
    highest = MAX_SEQ if field == "seq" else MAX_COUNT
    if type(value) is not int:
        got = short(value) if type(value) is float else kind_of(value)
        raise RejectedError("wrong_type", f"{field} must be a whole number, got {got}", field)
    if not 0 <= value <= highest:
        raise RejectedError("out_of_range", f"{field} must be 0-{highest}, got {short(value)}", field)


def _check_time(field: str, value: object) -> None:
    if not isinstance(value, str) and not isfinite(_number(field, value)):
        raise RejectedError("not_finite", f"{field} must be a finite number", field)
    try:
        parse_time(value)  # type: ignore[arg-type]
    except ValueError as error:
        raise bad_time(field, value, error) from error


_CHECKS: dict[str, Callable[[str, object], None]] = {
    **dict.fromkeys(RANGES, _check_channel),
    "device_id": _check_name,
    "boot": _check_name,
    "seq": _check_count,
    "uptime_ms": _check_count,
    "timestamp": _check_time,
}


def _number(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RejectedError("wrong_type", f"{field} must be a number, got {kind_of(value)}", field)
    try:
        return float(value)
    except OverflowError:
        return inf


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def kind_of(value: object) -> str:
    """Return the JSON name of a value's type, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), "something else")


def short(value: object) -> str:
    """Return text or a number as it is written in Python, cut to 40 characters; of anything else its JSON name."""
    # Not `repr` of all: a value may be nested more deeply than that can go.
    text = repr(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else kind_of(value)
    return text if len(text) <= 40 else text[:37] + "..."
