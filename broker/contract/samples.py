"""Decoding of payloads to valid samples, in one call.

msgspec decodes and checks. Only a payload that it rejects is decoded again with the standard library, which is slower, to
name the invalid field and its limit.
"""

import codecs
import hashlib
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import msgspec
from msgspec import Struct

from broker.contract import (
    ANONYMOUS_DEVICE,
    DEVICE_ID_RULE,
    MAX_BATCH,
    MAX_PAYLOAD_BYTES,
    STAMP,
    ErrorDetail,
    SensorSample,
)
from broker.contract.errors import RejectedError
from broker.contract.json_text import SentKey, key_in_text, read_slowly, sent_key, split_slowly, too_deep
from broker.contract.near_names import near_names
from broker.contract.times import device_time, parse_time
from broker.contract.validation import as_whole, bad_time, check_fields, corrected, is_device_id, kind_of, reserved, short

_decode_sample = msgspec.json.Decoder(SensorSample).decode
_decode_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode
_convert = partial(msgspec.convert, type=SensorSample)


class Key(Struct, frozen=True):
    """Idempotency key of a sample, unique within its device."""

    boot: str
    seq: int


class Sample(Struct, frozen=True, kw_only=True):
    """Valid sample. `timestamp` is the device's, in UTC; None if it sent none or its clock is not set.

    `warnings` tell of what was not taken as it came: values that mean no contact, names that are no fields, a clock that is
    not set.
    """

    device_id: str
    hr: float | None
    temp: float | None
    eda: float | None
    timestamp: datetime | None
    uptime_ms: int | None
    key: Key | None
    warnings: tuple[ErrorDetail, ...] = ()


class RejectedSample(Struct, frozen=True, kw_only=True):
    """Element of a message, or a whole message, that is not a valid sample, with the reason.

    `key` is as much of its key as could be read; of a message, the last one in it.
    """

    error: ErrorDetail
    raw: bytes
    key: SentKey = SentKey()


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
            raise RejectedError("invalid", f"device_id must be {DEVICE_ID_RULE}, got {short(device_id)}", "device_id")
        text = _unwrapped(payload)
        if text[:1] != b"[":
            return Decoded((_element(text, device_id, now, trusted),), batch=False)
        return Decoded(tuple(_element(raw, device_id, now, trusted) for raw in _split(text)), batch=True)
    except RejectedError as rejected:
        key = key_in_text(payload, trusted=trusted)
        return Decoded((RejectedSample(error=rejected.detail, raw=payload, key=key),), batch=False)


def sha256_of(payload: bytes) -> str:
    """Return the payload's hash in hex, which identifies a message without keys."""
    return hashlib.sha256(payload).hexdigest()


def valid_device_id(value: object) -> str | None:
    """Return `value` if it is a valid device id, else None."""
    return value if isinstance(value, str) and is_device_id(value) else None


def _unwrapped(payload: bytes) -> bytes:
    """Return the JSON text, also if a client sent it as a JSON string. Raises `RejectedError`."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise RejectedError("too_large", f"a message must be at most {MAX_PAYLOAD_BYTES} bytes, got {len(payload)}")
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise RejectedError("not_utf8", f"the message must be UTF-8: byte {error.start} is not") from error
    text = payload.removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n")
    if not text:
        raise RejectedError("empty", "the message is empty")
    if text[:1] != b'"':
        return text
    try:
        return _decode_text(text).encode().strip(b" \t\r\n")
    except msgspec.DecodeError as error:
        read_slowly(text.decode())
        raise RejectedError("not_json", "the message must be JSON: it is a string with half a character in it") from error


def _split(text: bytes) -> Sequence[bytes | msgspec.Raw]:
    elements: Sequence[bytes | msgspec.Raw]
    try:
        elements = _decode_elements(text)
    except RecursionError as error:
        raise too_deep() from error
    except msgspec.DecodeError:
        # One broken element makes the array malformed JSON; the other elements are still valid.
        elements = split_slowly(text.decode())
    if not elements:
        raise RejectedError("empty", "a batch must hold at least one sample")
    if len(elements) > MAX_BATCH:
        raise RejectedError("too_many", f"a batch must hold at most {MAX_BATCH} samples, got {len(elements)}")
    return elements


def _element(raw: bytes | msgspec.Raw, device_id: str, now: datetime, trusted: bool) -> Sample | RejectedSample:
    try:
        return _checked(_decode_sample(raw), raw, device_id, now, trusted)
    except (msgspec.DecodeError, RecursionError):
        return _read_again(bytes(raw), device_id, now, trusted)
    except RejectedError as rejected:
        key = sent_key(msgspec.json.decode(raw), trusted=trusted)
        return RejectedSample(error=rejected.detail, raw=bytes(raw), key=key)


def _read_again(raw: bytes, device_id: str, now: datetime, trusted: bool) -> Sample | RejectedSample:
    """Return the sample that a rejected element means, or the reason why it is none: the field and its limit."""
    key = SentKey()
    try:
        element = read_slowly(raw.decode())
        if not isinstance(element, dict):
            raise RejectedError("wrong_type", f"a sample must be a JSON object, got {kind_of(element)}")
        key = sent_key(element, trusted=trusted)
        meant, no_contact = corrected(element)
        check_fields(meant, trusted=trusted)
        return _checked(_convert(meant), raw, device_id, now, trusted, no_contact)
    except RejectedError as rejected:
        return RejectedSample(error=rejected.detail, raw=raw, key=key if any(key) else key_in_text(raw, trusted=trusted))


def _checked(
    sample: SensorSample,
    raw: bytes | msgspec.Raw,
    device_id: str,
    now: datetime,
    trusted: bool,
    warnings: tuple[ErrorDetail, ...] = (),
) -> Sample:
    """Return a sample after the checks that types cannot express. Raises `RejectedError`."""
    if sample.hr is None and sample.temp is None and sample.eda is None:
        hint = "".join(f"; {warning.message}" for warning in _near_names(raw, sample))
        raise RejectedError("missing", f"at least one of hr, temp, eda must be a number{hint}", "hr")
    if sample.device_id is not None and sample.device_id != device_id:
        raise _mismatch(sample.device_id, device_id, trusted)
    time = None if sample.timestamp is None else _time(sample.timestamp, now)
    if time is None and sample.timestamp is not None:
        warnings += (_clock_warning(sample.timestamp, now),)
    warnings += _near_names(raw, sample)
    return Sample(
        device_id=device_id,
        hr=sample.hr,
        temp=sample.temp,
        eda=sample.eda,
        timestamp=time,
        uptime_ms=sample.uptime_ms,
        key=_key(sample.boot, sample.seq, trusted),
        warnings=warnings,
    )


def _mismatch(named: str, device_id: str, trusted: bool) -> RejectedError:
    if not trusted:
        message = f"device_id must be that of the topic, {device_id}, got {named}"
    elif named == ANONYMOUS_DEVICE:
        message = f"device_id is missing: the first sample of the batch is of {device_id}, so name the device in each"
    else:
        message = f"device_id must be that of the login, or of the batch's first sample: {device_id}, got {named}"
    return RejectedError("device_mismatch", message, "device_id")


def _near_names(raw: bytes | msgspec.Raw, sample: SensorSample) -> tuple[ErrorDetail, ...]:
    """Return a warning for each field that is not there, but under a name that is not the contract's."""
    return tuple(
        ErrorDetail("missing", f"there is no field {name}, so it was not read: did you mean {field}?", field)
        for field, name in near_names(bytes(raw)).items()
        if getattr(sample, field) is None and field != "device_id"  # the topic names the device
    )


def _clock_warning(value: str | float, now: datetime) -> ErrorDetail:
    ahead = parse_time(value) > now
    why = "the device's clock is ahead of the server's" if ahead else "the device's clock is not set"
    return ErrorDetail(
        "out_of_range", f"timestamp {short(as_whole(value))} was not used, but the server's time: {why}", "timestamp"
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


def _time(value: str | float, now: datetime) -> datetime | None:
    try:
        return device_time(value, now)
    except ValueError as error:
        raise bad_time("timestamp", value, error) from error
