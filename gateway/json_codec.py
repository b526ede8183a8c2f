"""The JSON of Socket.IO packets: msgspec's speed, and no malformed sample is lost without an answer."""

import json
from typing import Any

import msgspec

from broker.contract import SENSOR_DATA
from gateway.sample_requests import Malformed

_SENSOR_EVENT = f'["{SENSOR_DATA.name.value}",'
_encode = msgspec.json.Encoder().encode


def dumps(value: Any, **_options: Any) -> str:
    """JSON text; a `msgspec.Raw` inside is taken as it is. Non-finite numbers become null: a browser cannot read them."""
    return _encode(value).decode()


def loads(text: str, **_options: Any) -> Any:
    """Plain objects, NaN and Infinity included; the argument of a malformed `esp32_sensor_data` is a `Malformed`.

    Raises:
        ValueError: any other text that is not JSON.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        if text.startswith(_SENSOR_EVENT):
            argument = text.removeprefix(_SENSOR_EVENT).removesuffix("]")
            return [SENSOR_DATA.name.value, Malformed(argument.encode(errors="replace"))]
        raise ValueError("not JSON") from error
