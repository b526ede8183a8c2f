"""Validation errors of samples: messages that name the field, its limit and the value received."""

import json
import re
from collections.abc import Callable
from math import inf, isfinite
from typing import Any

from broker.contract import (
    BOOT,
    DEVICE_ID,
    MAX_BOOT,
    MAX_COUNT,
    MAX_DEVICE_ID,
    MAX_SEQ,
    NAME_RULE,
    RANGES,
    STAMP,
)
from broker.contract.errors import RejectedError

is_device_id = re.compile(DEVICE_ID).search
is_boot = re.compile(BOOT).search


def reserved() -> RejectedError:
    """Return the error for a `boot` that only the pipeline may generate."""
    return RejectedError("reserved", f"boot must not begin with {STAMP}, which is for the pipeline", "boot")


def too_deep() -> RejectedError:
    """Return the error for JSON that is nested too deeply."""
    return RejectedError("too_deep", "the JSON is nested too deeply")


def read_slowly(text: str) -> Any:
    """Decode JSON to plain objects, NaN and Infinity included, so that an error can name the field.

    Raises:
        RejectedError: the text is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise too_deep() from error
    except ValueError as error:
        raise RejectedError("not_json", f"the message must be JSON: {error}") from error


def check_fields(element: dict[str, Any]) -> None:
    """Raise `RejectedError` for the first field that is not valid."""
    for field, check in _CHECKS.items():
        if element.get(field) is not None:
            check(field, element[field])


def _check_channel(field: str, value: object) -> None:
    limits = RANGES[field]
    number = _number(field, value)
    if not isfinite(number):
        raise RejectedError("not_finite", f"{field} must be a finite number, {limits}", field)
    if not limits.low <= number <= limits.high:
        raise RejectedError("out_of_range", f"{field} must be {limits}, got {short(value)}", field)


def _check_name(field: str, value: object) -> None:
    longest, pattern = (MAX_DEVICE_ID, is_device_id) if field == "device_id" else (MAX_BOOT, is_boot)
    if not isinstance(value, str):
        raise RejectedError("wrong_type", f"{field} must be a string, got {kind_of(value)}", field)
    if field == "boot" and value.startswith(STAMP):
        raise reserved()
    if not pattern(value):
        raise RejectedError("invalid", f"{field} must be 1-{longest} {NAME_RULE}, got {short(value)}", field)


def _check_count(field: str, value: object) -> None:
    highest = MAX_SEQ if field == "seq" else MAX_COUNT
    if type(value) is not int:
        raise RejectedError("wrong_type", f"{field} must be a whole number, got {kind_of(value)}", field)
    if not 0 <= value <= highest:
        raise RejectedError("out_of_range", f"{field} must be 0-{highest}, got {short(value)}", field)


def _check_time(field: str, value: object) -> None:
    if isinstance(value, str):
        return
    if not isfinite(_number(field, value)):
        raise RejectedError("not_finite", f"{field} must be a finite number", field)


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


def kind_of(value: object) -> str:
    """Return the JSON name of a value's type, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), "something else")


def short(value: object) -> str:
    """Return a value's `repr`, cut to 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
