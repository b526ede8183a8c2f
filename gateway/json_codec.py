"""JSON at the edge: fast, without losing a malformed sample, and a sample's own bytes are kept as they came."""

import json
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from broker.contract import SENSOR_DATA

_SENSOR_EVENT = f'["{SENSOR_DATA.name.value}",'
_PLACEHOLDER = b"_placeholder"
_encode = msgspec.json.Encoder().encode
_split_event = msgspec.json.Decoder(tuple[str, Raw]).decode


class JsonText(NamedTuple):
    """A payload as a client sent it, which is not decoded yet."""

    payload: bytes


class Malformed(NamedTuple):
    """A payload that cannot be decoded, to be rejected by ingest like any other."""

    payload: bytes


def dumps(value: Any, **_options: Any) -> str:
    """Return JSON text. A `msgspec.Raw` inside is taken as it is.

    Non-finite numbers become null, since browsers cannot read them.
    """
    return _encode(value).decode()


def loads(text: str, **_options: Any) -> Any:
    """Decode what follows a Socket.IO packet's type: plain objects, NaN and Infinity included.

    The argument of a single `esp32_sensor_data` is a `JsonText`, also if it is no JSON.

    Raises:
        ValueError: any other text that is not JSON.
    """
    if text.startswith(_SENSOR_EVENT):
        try:
            name, raw = _split_event(text)
        except (msgspec.DecodeError, RecursionError):
            pass
        else:
            payload = bytes(raw)
            if _PLACEHOLDER not in payload:  # python-socketio puts attachments in the place of those
                return [name, JsonText(payload)]
    try:
        return _decode(text)
    except ValueError:
        if text.startswith(_SENSOR_EVENT):
            argument = text.removeprefix(_SENSOR_EVENT).removesuffix("]")
            return [SENSOR_DATA.name.value, JsonText(argument.encode(errors="replace"))]
        raise


def decode(payload: bytes) -> Any:
    """Return plain objects, NaN and Infinity included, or a `Malformed`."""
    try:
        return _decode(payload.decode())
    except ValueError:
        return Malformed(payload)


def _decode(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("not JSON") from error
