"""Random payloads, bytes and JSON, most of them one change away from a valid one."""

import json
import random
from typing import Any, Final

from broker.contract import Name

EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    Name.SENSOR_DATA: {"hr": 75.5, "temp": 36.2, "eda": 0.45, "timestamp": "2026-01-01T00:00:00Z", "device_id": "d"},
    Name.DATA_RECEIVED: {
        "status": "success",
        "record_id": 1,
        "stress_prediction": {"label": "normal", "confidence": 0.7},
        "server_time": "2026-01-01T00:00:00Z",
        "sha256": "0" * 64,
        "errors": [{"index": 0, "error": {"code": "invalid", "message": "m"}}],
    },
    Name.NEW_SENSOR_DATA: {
        "id": 1,
        "timestamp": "2026-01-01T00:00:00Z",
        "hr": 75.5,
        "temp": None,
        "eda": 0.45,
        "stress_level": "normal",
        "confidence": 70.0,
        "device_id": "d",
        "stress_probability": 0.3,
        "quality": ["warming_up"],
        "reasons": [{"feature": "hr_level", "text": "t", "weight": 0.1}],
    },
    Name.STRESS_ALERT: {
        "type": "stress_alert",
        "level": "high_stress",
        "confidence": 87.5,
        "message": "m",
        "sensor_data": {"hr": 95, "temp": 37.1, "eda": 0.8},
        "device_id": "d",
        "timestamp": "2026-01-01T00:00:00Z",
        "alert_id": 7,
        "state": "raised",
        "late": False,
    },
    Name.DEVICE_STATUS: {"status": "online", "battery": 50, "firmware": "1", "waiting": 1, "dropped": 0, "timestamp": 1},
    Name.DEVICE_COMMAND: {"command_id": "c", "command": "led", "value": "on"},
    Name.COMMAND_RESULT: {"command_id": "c", "status": "done", "message": "m"},
    Name.REQUEST_HISTORY: {
        "limit": 3,
        "start_date": "2026-01-01",
        "end_date": "2026-01-02",
        "device_id": "d",
        "after_id": 1,
    },
    Name.ANNOTATE: {"start": "2026-01-01", "end": "2026-01-02", "label": "calm", "note": "n", "device_id": "d"},
}
"""A good message for every channel, and for every event that clients send with a payload."""
VALUES: Final[list[Any]] = [
    None,
    True,
    0,
    -1,
    1e308,
    -0.0,
    2**31,
    2**63 - 1,
    2**63,
    -(2**70),
    10**400,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff\ud800",
    "\u2028</script>",
    "\U0001f600",
    "x" * 5_000,
    "NaN",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01",
    "offline",
    [],
    {},
    [[]],
    {"a": {"b": [1, {"c": None}]}},
    ["x"] * 300,
    {"__proto__": {"x": 1}, "constructor": 1},
]
BYTES: Final = [
    b"",
    b"\0",
    b" ",
    b"\xff",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    b"offline",
    b"online",
    b"null",
    b"true",
    b"0",
    b'""',
    b"[]",
    b"{}",
    b"nan",
    b"{",
    b'{"status":"online",}',
    b'{"status":"online"}{"status":"offline"}',
    b'{"status":"online","status":"offline"}',
    b'{"command_id":"\xff","status":"done"}',
    b'{"command_id":"c","status":"done","x":"\xff"}',
    b'{"\xff":1,"command_id":"c","status":"done"}',
    b'{"status":"online","x":"\xed\xa0\x80"}',
    b'{"\\u0000":1,"status":"online"}',
    b'{"status":"online","firmware":"\\ud800"}',
    b'{"command_id":"c\\u0000","status":"done\\u0000","message":"\\u0000"}',
    b"[" * 2_000,
    b"[" * 100_000,
    b'{"x":' * 20_000,
    b'{"status":"online","x":' + b"[" * 900 + b"]" * 900 + b"}",
    b"\x1f\x8b\x08\x00",
    b"x" * 250_000,
]
DAMAGE: Final = [b"", b"\xff", b"\0", b'"', b"\\", b"}", b"\xc3"]
DEVICES: Final = [
    "d",
    "e",
    "ESP32_001",
    "unknown",
    "a b",
    "\u00e9",
    "~x",
    "$x",
    "a.b",
    "x" * 65,
    "x" * 200,
    "%00",
    '"',
    "\U0001f600",
]


class Hostile(random.Random):
    """Generator of payloads; the same seed gives the same payloads."""

    def payload(self, name: str) -> bytes:
        """Return bytes for a message or event of that name."""
        kind = self.random()
        if kind < 0.2:
            return self.choice(BYTES)
        if kind < 0.3:
            return self.randbytes(self.randrange(60))
        text = json.dumps(self.value(name), ensure_ascii=self.random() < 0.5).encode(errors="surrogatepass")
        if kind < 0.45:
            index = self.randrange(len(text) + 1)
            return text[:index] + self.choice(DAMAGE) + text[index + self.randrange(3) :]
        return text

    def value(self, name: str) -> Any:
        """Return a JSON value for a message or event of that name, mostly valid."""
        example: Any = dict(EXAMPLES.get(name, {}))
        for _ in range(self.choice([0, 1, 1, 1, 2, 3])):
            field = self.choice([*example, "x", "boot", "seq"])
            example[field] = self.choice(VALUES)
            if self.random() < 0.15:
                del example[field]
        kind = self.random()
        if kind < 0.06:
            return self.choice(VALUES)
        if kind < 0.12:
            return [example, self.choice(VALUES), example]
        return json.dumps(example) if kind < 0.15 else example
