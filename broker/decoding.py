"""Bytes to samples: one call at the edge, after which nobody validates again.

The fast path is msgspec's. Only what it refuses is read a second time, slowly, to say which field is wrong and what the
limit is: a good message stays cheap, and the explanation of a bad one is exact.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import inf, isfinite
from typing import Any

import msgspec
from msgspec import Struct

from broker.contract import (
    BOOT,
    CLOCK_AHEAD_S,
    CLOCK_FLOOR,
    DEVICE_ID,
    MAX_BATCH,
    MAX_BOOT,
    MAX_COUNT,
    MAX_DEVICE_ID,
    MAX_PAYLOAD_BYTES,
    MAX_SEQ,
    NAME_RULE,
    RANGES,
    STAMP,
    ErrorCode,
    ErrorDetail,
    SensorSample,
)

MILLISECONDS_FROM = 1e11
"""Unix times from here on are milliseconds: as seconds it would be the year 5138."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_UNIX_S = 253402300799.0

_decode_sample = msgspec.json.Decoder(SensorSample).decode
_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_scan = json.JSONDecoder().raw_decode
_device_id = re.compile(DEVICE_ID).search
_boot = re.compile(BOOT).search


class Key(Struct, frozen=True):
    """What makes a sample unique beside its device."""

    boot: str
    seq: int


class Sample(Struct, frozen=True, kw_only=True):
    """A valid sample. `timestamp` is the device's, in UTC; None where it has none or its clock was never set."""

    device_id: str
    hr: float | None
    temp: float | None
    eda: float | None
    timestamp: datetime | None
    uptime_ms: int | None
    key: Key | None


class Refusal(Struct, frozen=True, kw_only=True):
    """An element, or the message as a whole, that is not a valid sample, and why."""

    error: ErrorDetail
    raw: bytes
    key: Key | None = None


class Decoded(Struct, frozen=True):
    """A message's elements in order; `batch`: they came as an array."""

    elements: tuple[Sample | Refusal, ...]
    batch: bool


class _RefusedError(Exception):
    """Carries an `ErrorDetail` from the check that failed."""

    def __init__(self, code: ErrorCode, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.detail = ErrorDetail(code, message, field)


def decode(payload: bytes, device_id: str, *, now: datetime, trusted: bool = False) -> Decoded:
    """Read a message that arrived on `device_id`'s topic.

    Args:
        payload: a JSON object, an array of at most `MAX_BATCH` of them, or a JSON string that holds either.
        device_id: the device's segment of the topic.
        now: the server's time, for samples whose clock is ahead.
        trusted: the message comes from the pipeline, so its `boot` may be one that the pipeline stamped.
    """
    try:
        if not _device_id(device_id):
            raise _RefusedError(
                "invalid", f"device_id must be 1-{MAX_DEVICE_ID} {NAME_RULE}, got {_short(device_id)}", "device_id"
            )
        text = _unwrapped(payload)
        if text[:1] != b"[":
            return Decoded((_element(text, device_id, now, trusted),), batch=False)
        return Decoded(tuple(_element(raw, device_id, now, trusted) for raw in _split(text)), batch=True)
    except _RefusedError as refused:
        return Decoded((Refusal(error=refused.detail, raw=payload),), batch=False)


def sha256_of(payload: bytes) -> str:
    """The name by which a message without keys is answered and kept, in hex."""
    return hashlib.sha256(payload).hexdigest()


def key_of(element: object) -> Key | None:
    """The key of an element that was decoded to plain objects, where it carries a valid one."""
    if not isinstance(element, dict):
        return None
    boot, seq = element.get("boot"), element.get("seq")
    if isinstance(boot, str) and _boot(boot) and type(seq) is int and 0 <= seq <= MAX_SEQ:
        return Key(boot, seq)
    return None


def valid_device_id(value: object) -> str | None:
    """`value` where it can name a device in a topic, else None."""
    return value if isinstance(value, str) and _device_id(value) else None


def parse_time(value: str | float) -> datetime | None:
    """A device's timestamp in UTC; None where it lies outside what a datetime holds or before `CLOCK_FLOOR`.

    Raises:
        ValueError: a string that is not ISO 8601.
    """
    if isinstance(value, str):
        time = datetime.fromisoformat(value)
        try:
            time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
        except OverflowError:
            return None
    else:
        seconds = value / 1000 if value >= MILLISECONDS_FROM else value
        if not 0 <= seconds <= _LATEST_UNIX_S:
            return None
        time = _EPOCH + timedelta(seconds=seconds)
    return time if time >= CLOCK_FLOOR else None


def _unwrapped(payload: bytes) -> bytes:
    """The JSON text itself, also where a client sent it as a JSON string."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise _RefusedError("too_large", f"a message must be at most {MAX_PAYLOAD_BYTES} bytes, got {len(payload)}")
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise _RefusedError("not_utf8", f"the message must be UTF-8: byte {error.start} is not") from error
    text = payload.strip(b" \t\r\n")
    if not text:
        raise _RefusedError("empty", "the message is empty")
    if text[:1] != b'"':
        return text
    try:
        return _decode_text(text).encode().strip(b" \t\r\n")
    except msgspec.DecodeError as error:
        raise _RefusedError("not_json", f"the message must be JSON: {error}") from error


def _split(text: bytes) -> Sequence[bytes | msgspec.Raw]:
    elements: Sequence[bytes | msgspec.Raw]
    try:
        elements = _decode_elements(text)
    except RecursionError as error:
        raise _too_deep() from error
    except msgspec.DecodeError:
        # A NaN in one element makes the array malformed; its neighbours are still good.
        elements = _split_slowly(text.decode())
    if not elements:
        raise _RefusedError("empty", "a batch must hold at least one sample")
    if len(elements) > MAX_BATCH:
        raise _RefusedError("too_many", f"a batch must hold at most {MAX_BATCH} samples, got {len(elements)}")
    return elements


def _split_slowly(text: str) -> list[bytes]:
    """The elements' own bytes, of an array that only Python reads."""
    _read_slowly(text)
    elements: list[bytes] = []
    at = 1
    while text[at] != "]":
        if text[at] in " \t\r\n,":
            at += 1
            continue
        _, end = _scan(text, at)
        elements.append(text[at:end].encode())
        at = end
    return elements


def _element(raw: bytes | msgspec.Raw, device_id: str, now: datetime, trusted: bool) -> Sample | Refusal:
    try:
        sample = _decode_sample(raw)
        return _checked(sample, device_id, now, trusted)
    except (msgspec.DecodeError, RecursionError) as error:
        return _explained(bytes(raw), error)
    except _RefusedError as refused:
        # Nobody may be answered in the name of a key that the pipeline gave out.
        key = None if refused.detail.code == "reserved" else _key_in(bytes(raw))
        return Refusal(error=refused.detail, raw=bytes(raw), key=key)


def _checked(sample: SensorSample, device_id: str, now: datetime, trusted: bool) -> Sample:
    """What the types alone cannot say."""
    if sample.hr is None and sample.temp is None and sample.eda is None:
        raise _RefusedError("missing", "at least one of hr, temp, eda must be a number", "hr")
    if sample.device_id is not None and sample.device_id != device_id:
        message = f"device_id must be that of the topic, {device_id}, got {sample.device_id}"
        raise _RefusedError("device_mismatch", message, "device_id")
    return Sample(
        device_id=device_id,
        hr=sample.hr,
        temp=sample.temp,
        eda=sample.eda,
        timestamp=_time(sample.timestamp, now),
        uptime_ms=sample.uptime_ms,
        key=_key(sample.boot, sample.seq, trusted),
    )


def _key(boot: str | None, seq: int | None, trusted: bool) -> Key | None:
    if boot is None and seq is None:
        return None
    if boot is None or seq is None:
        missing = "boot" if boot is None else "seq"
        raise _RefusedError("missing", f"{missing} must be there: boot and seq come together or not at all", missing)
    if boot.startswith(STAMP) and not trusted:
        raise _reserved()
    return Key(boot, seq)


def _time(value: str | float | None, now: datetime) -> datetime | None:
    if value is None:
        return None
    try:
        time = parse_time(value)
    except ValueError as error:
        message = f"timestamp must be ISO 8601, Unix seconds or Unix milliseconds, got {_short(value)}"
        raise _RefusedError("invalid", message, "timestamp") from error
    return None if time is None or (time - now).total_seconds() > CLOCK_AHEAD_S else time


def _reserved() -> _RefusedError:
    return _RefusedError("reserved", f"boot must not begin with {STAMP}, which is for the pipeline", "boot")


def _too_deep() -> _RefusedError:
    return _RefusedError("too_deep", "the JSON is nested too deeply")


def _read_slowly(text: str) -> Any:
    """Decode as plain objects, NaN and Infinity included, so that the field can be named. Raises `_RefusedError`."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise _RefusedError("not_json", f"the message must be JSON: {error}") from error


def _key_in(raw: bytes) -> Key | None:
    try:
        return key_of(_read_slowly(raw.decode()))
    except _RefusedError:
        return None


def _explained(raw: bytes, cause: Exception) -> Refusal:
    """Why msgspec refused `raw`, in words that name the field and the limit."""
    key = None
    try:
        element = _read_slowly(raw.decode())
        if not isinstance(element, dict):
            raise _RefusedError("wrong_type", f"a sample must be a JSON object, got {_kind(element)}")
        key = key_of(element)
        for field, check in _CHECKS.items():
            if element.get(field) is not None:
                check(field, element[field])
    except _RefusedError as refused:
        return Refusal(error=refused.detail, raw=raw, key=key)
    code: ErrorCode = "too_deep" if isinstance(cause, RecursionError) else "invalid"
    return Refusal(error=ErrorDetail(code, f"the message cannot be read: {cause}"), raw=raw, key=key)


def _check_channel(field: str, value: object) -> None:
    limits = RANGES[field]
    number = _number(field, value)
    if not isfinite(number):
        raise _RefusedError("not_finite", f"{field} must be a finite number, {limits}", field)
    if not limits.low <= number <= limits.high:
        raise _RefusedError("out_of_range", f"{field} must be {limits}, got {_short(value)}", field)


def _check_name(field: str, value: object) -> None:
    longest, pattern = (MAX_DEVICE_ID, _device_id) if field == "device_id" else (MAX_BOOT, _boot)
    if not isinstance(value, str):
        raise _RefusedError("wrong_type", f"{field} must be a string, got {_kind(value)}", field)
    if field == "boot" and value.startswith(STAMP):
        raise _reserved()
    if not pattern(value):
        raise _RefusedError("invalid", f"{field} must be 1-{longest} {NAME_RULE}, got {_short(value)}", field)


def _check_count(field: str, value: object) -> None:
    highest = MAX_SEQ if field == "seq" else MAX_COUNT
    if type(value) is not int:
        raise _RefusedError("wrong_type", f"{field} must be a whole number, got {_kind(value)}", field)
    if not 0 <= value <= highest:
        raise _RefusedError("out_of_range", f"{field} must be 0-{highest}, got {_short(value)}", field)


def _check_time(field: str, value: object) -> None:
    if isinstance(value, str):
        return
    if not isfinite(_number(field, value)):
        raise _RefusedError("not_finite", f"{field} must be a finite number", field)


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
        raise _RefusedError("wrong_type", f"{field} must be a number, got {_kind(value)}", field)
    try:
        return float(value)
    except OverflowError:
        return inf


def _kind(value: object) -> str:
    """The JSON word for a value's type."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names = {dict: "an object", list: "an array", str: "a string", int: "a number", float: "a number"}
    return names.get(type(value), "something else")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
