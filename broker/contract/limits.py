"""Ranges, limits, and the sets of strings that fields of messages may have."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

ROOT = "stress/v1"

MAX_PAYLOAD_BYTES = 256 * 1024
MAX_BATCH = 500
HISTORY_DEFAULT = 100
HISTORY_MAX = 1000
BUCKETS_MAX = 2000
"""Maximum number of buckets in one answer; a finer resolution is rejected, or with `auto` not chosen."""
ANSWER_TIMEOUT_S = 10.0
"""Time that the gateway waits for the receipt of a sample before it reports that the outcome is unknown."""
CLOCK_FLOOR = datetime.fromisoformat("2020-01-01T00:00:00Z")
"""A device's clock before this time was never set."""
CLOCK_AHEAD_S = 60.0
LATE_AFTER_S = 600.0
"""An alert found in data older than this is `late`: stored and published, but not to be notified."""

ANONYMOUS_DEVICE = "unknown"
STAMP = "~"
"""First character of a `boot` that the pipeline generated for a sample without a key; clients may not send it."""
# Python's `$` also matches before a final newline: hence the look-ahead.
MAX_DEVICE_ID = 64
MAX_BOOT = 32
DEVICE_ID = rf"^[A-Za-z0-9_:-]{{1,{MAX_DEVICE_ID}}}(?!\n)$"
BOOT = rf"^~?[A-Za-z0-9_:-]{{1,{MAX_BOOT}}}(?!\n)$"
DEVICE_ID_RULE, BOOT_RULE = (f"1-{longest} letters, digits, _, : and -" for longest in (MAX_DEVICE_ID, MAX_BOOT))
"""What the two patterns ask for, for messages."""
MAX_COMMAND_ID = 32
MAX_COMMAND = 64
MAX_COMMAND_TEXT = 256
MAX_SEQ = 2**32 - 1
MAX_COUNT = 2**53 - 1
"""Largest integer that a JavaScript number holds exactly."""


class Range(Struct, frozen=True):
    """Accepted values of a sensor channel, both ends included."""

    low: float
    high: float
    unit: str

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g} {self.unit}"


RANGES = {
    "hr": Range(25, 240, "bpm"),
    "temp": Range(10, 45, "degrees Celsius"),
    "eda": Range(0, 100, "microsiemens"),
}
SENSORS = tuple(RANGES)
"""The names of a sample's values, in the order of every table and message: hr, temp, eda."""

Hr = Annotated[float, Meta(ge=RANGES["hr"].low, le=RANGES["hr"].high, description="heart rate, bpm")]
Temp = Annotated[
    float, Meta(ge=RANGES["temp"].low, le=RANGES["temp"].high, description="skin temperature, degrees Celsius")
]
Eda = Annotated[float, Meta(ge=RANGES["eda"].low, le=RANGES["eda"].high, description="skin conductance, microsiemens")]
DeviceId = Annotated[str, Meta(pattern=DEVICE_ID, description="the device's name", extra={"rule": DEVICE_ID_RULE})]
Boot = Annotated[
    str, Meta(pattern=BOOT, description="unique to a boot: at least 64 random bits", extra={"rule": BOOT_RULE})
]
Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ, description="counter of samples since the boot")]
TIME_RULE = (
    "an ISO 8601 time such as 2024-12-10T10:30:00Z, or a Unix time in seconds, milliseconds, microseconds or nanoseconds"
)
"""What is taken as a time, for messages."""
Time = Annotated[Annotated[str, Meta(max_length=40)] | float, Meta(description=TIME_RULE, extra={"rule": TIME_RULE})]
Probability = Annotated[float, Meta(ge=0, le=1)]
Percent = Annotated[float, Meta(ge=0, le=100)]

StressLevel = Literal["normal", "elevated", "high_stress"]
AlertState = Literal["raised", "cleared"]
Quality = Literal[
    "clock_unsynced",
    "warming_up",
    "gap",
    "no_hr",
    "no_temp",
    "no_eda",
    "low_eda",
    "off_skin",
    "frozen_hr",
    "frozen_temp",
    "frozen_eda",
]
"""Limitations of a reading: its clock, a short history (`gap`: after a pause), a sensor without contact or stuck."""
Resolution = Literal["raw", "auto", "minute", "hour", "day"]
"""Single readings, or buckets of that width in UTC; `auto`: the finest that covers the range with `BUCKETS_MAX` buckets."""
ClientType = Literal["esp32", "frontend"]
Role = Literal["device", "viewer", "operator", "admin", "service"]
"""Role of a login: a device publishes its own data, people watch or act, a service is a part of the pipeline."""
ErrorCode = Literal[
    "not_utf8",
    "not_json",
    "too_large",
    "too_deep",
    "too_many",
    "empty",
    "wrong_type",
    "missing",
    "out_of_range",
    "not_finite",
    "no_contact",
    "invalid",
    "reserved",
    "device_mismatch",
    "conflict",
    "unauthorized",
    "forbidden",
    "not_found",
    "rate_limited",
    "database",
    "timeout",
    "internal",
]
