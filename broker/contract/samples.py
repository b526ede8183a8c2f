"""Decoding of payloads to valid samples, in one call.

msgspec decodes and checks. Only a payload that it rejects is decoded again with the standard library, which is slower, to
name the invalid field and its limit.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from broker.contract import (
    CLOCK_AHEAD_S,
    CLOCK_FLOOR,
    MAX_BATCH,
    MAX_DEVICE_ID,
    MAX_PAYLOAD_BYTES,
    MAX_SEQ,
    NAME_RULE,
    STAMP,
    ErrorCode,
    ErrorDetail,
    SensorSample,
)
from broker.contract.errors import RejectedError
from broker.contract.validation import (
    check_fields,
    is_boot,
    is_device_id,
    kind_of,
    read_slowly,
    reserved,
    short,
    too_deep,
)

MILLISECONDS_FROM = 1e11
"""Unix times from here on are milliseconds: in seconds this would be the year 5138."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_UNIX_S = 253402300799.0

_decode_sample = msgspec.json.Decoder(SensorSample).decode
_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_scan = json.JSONDecoder().raw_decode


class Key(Struct, frozen=True):
    """Idempotency key of a sample, unique within its device."""

    boot: str
    seq: int


class Sample(Struct, frozen=True, kw_only=True):
    """Valid sample. `timestamp` is the device's, in UTC; None if it sent none or its clock is not set."""

    device_id: str
    hr: float | None
    temp: float | None
    eda: float | None
    timestamp: datetime | None
    uptime_ms: int | None
    key: Key | None


class RejectedSample(Struct, frozen=True, kw_only=True):
    """Element of a message, or a whole message, that is not a valid sample, with the reason."""

    error: ErrorDetail
    raw: bytes
    key: Key | None = None


class Decoded(Struct, frozen=True):
    """Elements of a message in their order; `batch` is true if they came as an array."""

    elements: tuple[Sample | RejectedSample, ...]
    batch: bool


def decode(payload: bytes, device_id: str, *, now: datetime, trusted: bool = False) -> Decoded:
    """Return the valid and the rejected samples of a message; never raise.

    Args:
        payload: a JSON object, an array of at most `MAX_BATCH` objects, or a JSON string that holds either.
        device_id: the device's segment of the topic.
        now: the server's time in UTC, to detect a clock that is ahead.
        trusted: the message comes from the pipeline, so its `boot` may be one that the pipeline generated.
    """
    try:
        if not is_device_id(device_id):
            raise RejectedError(
                "invalid", f"device_id must be 1-{MAX_DEVICE_ID} {NAME_RULE}, got {short(device_id)}", "device_id"
            )
        text = _unwrapped(payload)
        if text[:1] != b"[":
            return Decoded((_element(text, device_id, now, trusted),), batch=False)
        return Decoded(tuple(_element(raw, device_id, now, trusted) for raw in _split(text)), batch=True)
    except RejectedError as rejected:
        return Decoded((RejectedSample(error=rejected.detail, raw=payload),), batch=False)


def sha256_of(payload: bytes) -> str:
    """Return the payload's hash in hex, which identifies a message without keys."""
    return hashlib.sha256(payload).hexdigest()


def key_of(element: object) -> Key | None:
    """Return the key of an element that was decoded to plain objects, or None if it has no valid one."""
    if not isinstance(element, dict):
        return None
    boot, seq = element.get("boot"), element.get("seq")
    if isinstance(boot, str) and is_boot(boot) and type(seq) is int and 0 <= seq <= MAX_SEQ:
        return Key(boot, seq)
    return None


def valid_device_id(value: object) -> str | None:
    """Return `value` if it is a valid device id, else None."""
    return value if isinstance(value, str) and is_device_id(value) else None


def parse_time(value: str | float) -> datetime | None:
    """Return a device's timestamp in UTC, or None if a datetime cannot hold it or it is before `CLOCK_FLOOR`.

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
    """Return the JSON text, also if a client sent it as a JSON string. Raises `RejectedError`."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RejectedError("too_large", f"a message must be at most {MAX_PAYLOAD_BYTES} bytes, got {len(payload)}")
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise RejectedError("not_utf8", f"the message must be UTF-8: byte {error.start} is not") from error
    text = payload.strip(b" \t\r\n")
    if not text:
        raise RejectedError("empty", "the message is empty")
    if text[:1] != b'"':
        return text
    try:
        return _decode_text(text).encode().strip(b" \t\r\n")
    except msgspec.DecodeError as error:
        raise RejectedError("not_json", f"the message must be JSON: {error}") from error


def _split(text: bytes) -> Sequence[bytes | msgspec.Raw]:
    elements: Sequence[bytes | msgspec.Raw]
    try:
        elements = _decode_elements(text)
    except RecursionError as error:
        raise too_deep() from error
    except msgspec.DecodeError:
        # A NaN in one element makes the array malformed JSON; the other elements are still valid.
        elements = _split_slowly(text.decode())
    if not elements:
        raise RejectedError("empty", "a batch must hold at least one sample")
    if len(elements) > MAX_BATCH:
        raise RejectedError("too_many", f"a batch must hold at most {MAX_BATCH} samples, got {len(elements)}")
    return elements


def _split_slowly(text: str) -> list[bytes]:
    """Return the bytes of each element of an array that only the standard library decodes. Raises `RejectedError`."""
    read_slowly(text)
    elements: list[bytes] = []
    position = 1
    while text[position] != "]":
        if text[position] in " \t\r\n,":
            position += 1
            continue
        if len(elements) == MAX_BATCH:
            raise RejectedError("too_many", f"a batch must hold at most {MAX_BATCH} samples")
        _, end = _scan(text, position)
        elements.append(text[position:end].encode())
        position = end
    return elements


def _element(raw: bytes | msgspec.Raw, device_id: str, now: datetime, trusted: bool) -> Sample | RejectedSample:
    try:
        sample = _decode_sample(raw)
        return _checked(sample, device_id, now, trusted)
    except (msgspec.DecodeError, RecursionError) as error:
        return _explained(bytes(raw), error)
    except RejectedError as rejected:
        # A receipt must not name a key that the pipeline generated for another client.
        key = None if rejected.detail.code == "reserved" else _key_in(bytes(raw))
        return RejectedSample(error=rejected.detail, raw=bytes(raw), key=key)


def _checked(sample: SensorSample, device_id: str, now: datetime, trusted: bool) -> Sample:
    """Return a sample after the checks that types cannot express. Raises `RejectedError`."""
    if sample.hr is None and sample.temp is None and sample.eda is None:
        raise RejectedError("missing", "at least one of hr, temp, eda must be a number", "hr")
    if sample.device_id is not None and sample.device_id != device_id:
        message = f"device_id must be that of the topic, {device_id}, got {sample.device_id}"
        raise RejectedError("device_mismatch", message, "device_id")
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
        raise RejectedError("missing", f"{missing} must be there: boot and seq come together or not at all", missing)
    if boot.startswith(STAMP) and not trusted:
        raise reserved()
    return Key(boot, seq)


def _time(value: str | float | None, now: datetime) -> datetime | None:
    if value is None:
        return None
    try:
        time = parse_time(value)
    except ValueError as error:
        message = f"timestamp must be ISO 8601, Unix seconds or Unix milliseconds, got {short(value)}"
        raise RejectedError("invalid", message, "timestamp") from error
    return None if time is None or (time - now).total_seconds() > CLOCK_AHEAD_S else time


def _key_in(raw: bytes) -> Key | None:
    try:
        return key_of(read_slowly(raw.decode()))
    except RejectedError:  # pragma: no cover - msgspec has read it before, which is the stricter reader
        return None


def _explained(raw: bytes, cause: Exception) -> RejectedSample:
    """Return the rejected element with the reason for which msgspec rejected it: the field and its limit."""
    key = None
    try:
        element = read_slowly(raw.decode())
        if not isinstance(element, dict):
            raise RejectedError("wrong_type", f"a sample must be a JSON object, got {kind_of(element)}")
        key = key_of(element)
        check_fields(element)
    except RejectedError as rejected:
        return RejectedSample(error=rejected.detail, raw=raw, key=key)
    code: ErrorCode = "too_deep" if isinstance(cause, RecursionError) else "invalid"
    return RejectedSample(error=ErrorDetail(code, f"the message cannot be read: {cause}"), raw=raw, key=key)
