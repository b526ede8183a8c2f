"""The message contract: every topic, event, type, range and limit, said once.

A topic is ``stress/v1/<device_id>/<name>``; its last segment is also the name of the Socket.IO event. Payloads are frozen
msgspec types, encoded as JSON. Times are UTC, `hr` is in bpm, `temp` in degrees Celsius at the skin, `eda` in microsiemens.
The TypeScript, C++, JSON Schema, AsyncAPI and OpenAPI twins are generated from this module (``make contract``).
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

ROOT = "stress/v1"

MAX_PAYLOAD_BYTES = 256 * 1024
MAX_BATCH = 500
HISTORY_DEFAULT = 100
HISTORY_MAX = 1000
BUCKETS_MAX = 2000
"""Buckets of one answer; finer ones over the same range are refused, or with `auto` not chosen."""
ANSWER_TIMEOUT_S = 10.0
"""How long the gateway waits for the answer to a sample before it says that the outcome is unknown."""
CLOCK_FLOOR = datetime.fromisoformat("2020-01-01T00:00:00Z")
"""A device clock before this was never set."""
CLOCK_AHEAD_S = 60.0
LATE_AFTER_S = 600.0
"""An alert found in data older than this is `late`: recorded and sent, but nobody is to be alarmed."""

ANONYMOUS_DEVICE = "unknown"
STAMP = "~"
"""First character of a `boot` that the pipeline gave to a sample without a key; clients may not send it."""
# Python's `$` also matches before a final newline: hence the look-ahead.
MAX_DEVICE_ID = 64
MAX_BOOT = 32
DEVICE_ID = rf"^[A-Za-z0-9_:-]{{1,{MAX_DEVICE_ID}}}(?!\n)$"
BOOT = rf"^~?[A-Za-z0-9_:-]{{1,{MAX_BOOT}}}(?!\n)$"
NAME_RULE = "letters, digits, _, : and -"
MAX_COMMAND_ID = 32
MAX_COMMAND = 64
MAX_COMMAND_TEXT = 256
MAX_SEQ = 2**32 - 1
MAX_COUNT = 2**53 - 1
"""The largest whole number that JavaScript keeps exactly."""


class Range(Struct, frozen=True):
    """The values of a channel that are accepted, both ends included."""

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

Hr = Annotated[float, Meta(ge=RANGES["hr"].low, le=RANGES["hr"].high, description="heart rate, bpm")]
Temp = Annotated[
    float, Meta(ge=RANGES["temp"].low, le=RANGES["temp"].high, description="skin temperature, degrees Celsius")
]
Eda = Annotated[float, Meta(ge=RANGES["eda"].low, le=RANGES["eda"].high, description="skin conductance, microsiemens")]
DeviceId = Annotated[str, Meta(pattern=DEVICE_ID, description="the device's name")]
Boot = Annotated[str, Meta(pattern=BOOT, description="one string per boot, at least 64 random bits")]
Seq = Annotated[int, Meta(ge=0, le=MAX_SEQ, description="a counter within the boot")]
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
"""What limits a reading: its time, a stream too young (`gap`: after a silence), a sensor without contact or stuck."""
Resolution = Literal["raw", "auto", "minute", "hour", "day"]
"""Single readings, or buckets of that width, in UTC; `auto` is the finest of which `BUCKETS_MAX` cover the range."""
ClientType = Literal["esp32", "frontend"]
Role = Literal["device", "viewer", "operator", "admin", "service"]
"""Who a login is: a device speaks for itself, people watch or act, a service is a part of the pipeline."""
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


class SensorSample(Struct, frozen=True, kw_only=True):
    """What a device sends. At least one of `hr`, `temp`, `eda` is there; null or absent: no contact now.

    `timestamp` is ISO 8601 (no zone means UTC), Unix seconds or Unix milliseconds. `boot` and `seq` come together or not
    at all: with them a resend is recognised and stored once. Unknown fields are ignored.
    """

    hr: Hr | None = None
    temp: Temp | None = None
    eda: Eda | None = None
    timestamp: str | float | None = None
    device_id: DeviceId | None = None
    boot: Boot | None = None
    seq: Seq | None = None
    uptime_ms: Annotated[int, Meta(ge=0, le=MAX_COUNT, description="milliseconds since the boot")] | None = None


class StressPrediction(Struct, frozen=True):
    """`confidence` is 0-1: 1 - p for `normal`, p for the other levels, p being the probability of stress."""

    label: StressLevel
    confidence: Probability


class ErrorDetail(Struct, frozen=True, omit_defaults=True):
    """Why something was refused; `field` names the field where there is one."""

    code: ErrorCode
    message: str
    field: str | None = None


class BatchError(Struct, frozen=True, omit_defaults=True):
    """One refused element of a batch, by its position."""

    index: int
    error: ErrorDetail
    boot: str | None = None
    seq: int | None = None


ReceiptStatus = Literal["success", "partial", "error"]


class DataReceived(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to a sample or a batch, sent after the commit: `success` means stored.

    For a batch the fields are those of its newest stored sample, `boot` and `seq` those of its last element. `sha256` is
    that of the payload that is answered. `duplicate`: everything in it was stored before.
    """

    status: ReceiptStatus
    record_id: int | None = None
    stress_prediction: StressPrediction | None = None
    boot: str | None = None
    seq: int | None = None
    server_time: datetime | None = None
    count: int | None = None
    duplicate: bool = False
    error: ErrorDetail | None = None
    errors: tuple[BatchError, ...] = ()
    message: str | None = None
    sha256: str | None = None


class Reason(Struct, frozen=True):
    """What speaks for stress (`weight` above 0) or against it, in log-odds; `text` is for people."""

    feature: Annotated[str, Meta(max_length=32)]
    text: Annotated[str, Meta(max_length=128)]
    weight: float


class NewSensorData(Struct, frozen=True, kw_only=True):
    """One stored reading, as frontends see it; `confidence` is in percent.

    `reasons` are up to three, the heaviest first; only a reading that has just arrived carries them.
    """

    id: int
    timestamp: datetime
    hr: Hr | None
    temp: Temp | None
    eda: Eda | None
    stress_level: StressLevel
    confidence: Percent
    device_id: DeviceId
    stress_probability: Probability
    quality: tuple[Quality, ...]
    reasons: Annotated[tuple[Reason, ...], Meta(max_length=3)] = ()


class SensorValues(Struct, frozen=True):
    """The three channels of a reading."""

    hr: Hr | None
    temp: Temp | None
    eda: Eda | None


class StressAlert(Struct, frozen=True, kw_only=True):
    """An alert was raised or cleared. `late`: found in old data, for the record only. `confidence` is in percent."""

    type: Literal["stress_alert"] = "stress_alert"
    level: StressLevel
    confidence: Percent
    message: str
    sensor_data: SensorValues
    device_id: DeviceId
    timestamp: datetime
    alert_id: int
    state: AlertState
    late: bool


DeviceState = Literal["online", "offline", "sleeping"]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]


class DeviceStatus(Struct, frozen=True, omit_defaults=True):
    """Retained; also the device's will. Never health data.

    `waiting`: samples that are not acknowledged yet; `dropped`: those that a full memory lost since the boot.
    """

    status: DeviceState
    device_id: DeviceId | None = None
    timestamp: str | float | None = None
    battery: Percent | None = None
    firmware: Annotated[str, Meta(max_length=32)] | None = None
    waiting: Count | None = None
    dropped: Count | None = None


CommandId = Annotated[str, Meta(min_length=1, max_length=MAX_COMMAND_ID)]
Command = Annotated[str, Meta(min_length=1, max_length=MAX_COMMAND)]
CommandValue = Annotated[str, Meta(max_length=MAX_COMMAND_TEXT)] | float | bool


class DeviceCommand(Struct, frozen=True, omit_defaults=True):
    """An order to a device, answered by `command_result`."""

    command_id: CommandId
    command: Command
    value: CommandValue | None = None


class CommandResult(Struct, frozen=True, omit_defaults=True):
    """A device's answer to a `device_command`."""

    command_id: CommandId
    status: Annotated[str, Meta(min_length=1, max_length=64)]
    message: Annotated[str, Meta(max_length=1000)] | None = None


class HistoryRequest(Struct, frozen=True, omit_defaults=True):
    """A page of the record, newest first; `end_date` is included (a date means its whole day), both in UTC.

    `cursor` is the `next` of the page before. With `after_id` come the readings that were stored after that one, oldest
    first: what a frontend missed while it was away. With a `resolution` other than `raw` come buckets, oldest first.
    """

    limit: Annotated[int, Meta(ge=1, le=HISTORY_MAX)] = HISTORY_DEFAULT
    start_date: Annotated[str, Meta(max_length=40)] | None = None
    end_date: Annotated[str, Meta(max_length=40)] | None = None
    device_id: DeviceId | None = None
    after_id: Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None = None
    cursor: Annotated[str, Meta(max_length=80)] | None = None
    resolution: Resolution = "raw"


class Span(Struct, frozen=True):
    """A channel in a bucket."""

    min: float
    mean: float
    max: float


class HistoryBucket(Struct, frozen=True):
    """The readings from `start` on, for the width of a bucket. A channel without contact all the time is null.

    `high_stress` is the share of readings at that level, 0-1; `stress_probability` is the mean.
    """

    start: datetime
    count: int
    hr: Span | None
    temp: Span | None
    eda: Span | None
    stress_probability: Probability
    high_stress: Probability


class HistoryData(Struct, frozen=True, omit_defaults=True):
    """The answer to a history request; `error` says why a request was refused.

    `next` is the cursor of the next page, where there is one; `buckets` are `bucket_s` seconds wide.
    """

    data: tuple[NewSensorData, ...]
    count: int
    error: ErrorDetail | None = None
    next: str | None = None
    buckets: tuple[HistoryBucket, ...] = ()
    bucket_s: int | None = None


class ClientStats(Struct, frozen=True):
    """How many Socket.IO clients are connected."""

    total: int
    esp32: int
    frontend: int


class Pong(Struct, frozen=True):
    """The answer to `ping`."""

    timestamp: datetime


class HealthStatus(Struct, frozen=True):
    """Each part on its own; `status` is `ok` only where all are.

    `lag_s` is how long the oldest sample in work has waited; null where ingest is in another process.
    """

    status: Literal["ok", "degraded"]
    database: str
    model: str
    broker: str
    lag_s: float | None = None


class SystemStatus(HealthStatus, frozen=True, kw_only=True):
    """How the parts are, and who is connected."""

    client_stats: ClientStats


class EventInfo(Struct, frozen=True):
    """One Socket.IO event and the side that sends it."""

    name: str
    sender: Literal["client", "server"]
    summary: str


class WebSocketInfo(Struct, frozen=True):
    """How to connect with Socket.IO, and the events there are."""

    path: str
    client_types: tuple[ClientType, ...]
    events: tuple[EventInfo, ...]


class AlertSubscription(Struct, frozen=True):
    """The answer to `frontend_subscribe_alerts`."""

    status: Literal["subscribed"]


class EventsSkipped(Struct, frozen=True):
    """To a frontend that could not keep up: how many live events it was not sent; it has the newest of each device."""

    count: int


class AnnotationRequest(Struct, frozen=True, kw_only=True):
    """What somebody says of a device's time: a span, or without `end` a moment or what still lasts. ISO 8601, no zone means
    UTC. A device may report of itself; whose login is no device names one.
    """

    start: Annotated[str, Meta(max_length=40)]
    label: Annotated[str, Meta(min_length=1, max_length=64, description="such as stress, calm or exercise")]
    end: Annotated[str, Meta(max_length=40)] | None = None
    note: Annotated[str, Meta(max_length=2000)] | None = None
    device_id: DeviceId | None = None


class AnnotationSaved(Struct, frozen=True, omit_defaults=True):
    """The answer to `annotate`."""

    status: Literal["success", "error"]
    id: int | None = None
    error: ErrorDetail | None = None


class ServerShutdown(Struct, frozen=True):
    """The server goes. What was asked is still answered; it is worth to connect again after `retry_after_s`."""

    reason: str
    retry_after_s: int


class ConnectionStatus(Struct, frozen=True):
    """Sent once after a client has joined."""

    status: Literal["connected"]
    client_type: ClientType


class Name(StrEnum):
    """Last segments of topics and names of Socket.IO events."""

    SENSOR_DATA = "esp32_sensor_data"
    DATA_RECEIVED = "data_received"
    NEW_SENSOR_DATA = "new_sensor_data"
    STRESS_ALERT = "stress_alert"
    DEVICE_STATUS = "device_status"
    DEVICE_COMMAND = "device_command"
    COMMAND_RESULT = "command_result"
    CLIENT_STATS = "client_stats"
    REQUEST_HISTORY = "frontend_request_history"
    HISTORY_DATA = "history_data"
    SUBSCRIBE_ALERTS = "frontend_subscribe_alerts"
    ALERT_SUBSCRIPTION = "alert_subscription"
    PING = "ping"
    PONG = "pong"
    HEALTH_CHECK = "health_check"
    HEALTH_STATUS = "health_status"
    CONNECTION_STATUS = "connection_status"
    EVENTS_SKIPPED = "events_skipped"
    SERVER_SHUTDOWN = "server_shutdown"
    ANNOTATE = "annotate"
    ANNOTATION_SAVED = "annotation_saved"


class Channel(Struct, frozen=True):
    """A topic below the device's; `sender` is the side that publishes, `readers` who beside services may subscribe.

    A device reads and publishes its own topics only; a topic of the pipeline is published by services alone.
    """

    name: Name
    payload: type[Struct]
    sender: Literal["device", "pipeline"]
    qos: Literal[0, 1]
    retained: bool
    readers: tuple[Role, ...]
    summary: str

    def topic(self, device_id: str) -> str:
        """The device's topic, or a filter with ``+`` as the device."""
        return f"{ROOT}/{device_id}/{self.name.value}"


class Event(Struct, frozen=True):
    """A Socket.IO event without a topic; `answer` is the event that replies to it."""

    name: Name
    payload: type[Struct] | None
    sender: Literal["client", "server"]
    summary: str
    answer: Name | None = None


_WATCHERS: tuple[Role, ...] = ("viewer", "operator", "admin")

SENSOR_DATA = Channel(Name.SENSOR_DATA, SensorSample, "device", 1, False, ("admin",), "A sample, or an array of them.")
DATA_RECEIVED = Channel(
    Name.DATA_RECEIVED,
    DataReceived,
    "pipeline",
    0,
    False,
    ("device", "admin"),
    "The answer to the sender, after the commit.",
)
NEW_SENSOR_DATA = Channel(Name.NEW_SENSOR_DATA, NewSensorData, "pipeline", 0, False, _WATCHERS, "A reading was stored.")
STRESS_ALERT = Channel(Name.STRESS_ALERT, StressAlert, "pipeline", 1, False, _WATCHERS, "An alert was raised or cleared.")
DEVICE_STATUS = Channel(
    Name.DEVICE_STATUS, DeviceStatus, "device", 1, True, _WATCHERS, "Online, offline (the will) or sleeping."
)
DEVICE_COMMAND = Channel(
    Name.DEVICE_COMMAND, DeviceCommand, "pipeline", 1, False, ("device", "operator", "admin"), "An order to the device."
)
COMMAND_RESULT = Channel(
    Name.COMMAND_RESULT, CommandResult, "device", 1, False, ("operator", "admin"), "The device's answer to an order."
)

CHANNELS = (SENSOR_DATA, DATA_RECEIVED, NEW_SENSOR_DATA, STRESS_ALERT, DEVICE_STATUS, DEVICE_COMMAND, COMMAND_RESULT)

EVENTS = (
    Event(Name.CONNECTION_STATUS, ConnectionStatus, "server", "The client has joined."),
    Event(Name.CLIENT_STATS, ClientStats, "server", "How many clients are connected; to frontends, on every change."),
    Event(Name.EVENTS_SKIPPED, EventsSkipped, "server", "Live events were left out, since the frontend could not keep up."),
    Event(Name.SERVER_SHUTDOWN, ServerShutdown, "server", "The server goes; connect again after a while."),
    Event(Name.REQUEST_HISTORY, HistoryRequest, "client", "Asks for a page of the record.", Name.HISTORY_DATA),
    Event(Name.HISTORY_DATA, HistoryData, "server", "A page of the record, newest first."),
    Event(
        Name.SUBSCRIBE_ALERTS, None, "client", "Every frontend gets alerts; kept for old clients.", Name.ALERT_SUBSCRIPTION
    ),
    Event(Name.ALERT_SUBSCRIPTION, AlertSubscription, "server", "Alerts will come."),
    Event(Name.ANNOTATE, AnnotationRequest, "client", "Says what a span of time was.", Name.ANNOTATION_SAVED),
    Event(Name.ANNOTATION_SAVED, AnnotationSaved, "server", "What somebody said is kept."),
    Event(Name.PING, None, "client", "Asks for a sign of life.", Name.PONG),
    Event(Name.PONG, Pong, "server", "The server's time."),
    Event(Name.HEALTH_CHECK, None, "client", "Asks how the parts are.", Name.HEALTH_STATUS),
    Event(Name.HEALTH_STATUS, HealthStatus, "server", "How the parts are."),
)

CLIENT_EVENTS = frozenset(
    {SENSOR_DATA.name, COMMAND_RESULT.name} | {event.name for event in EVENTS if event.sender == "client"}
)
"""What a Socket.IO client may emit; all else comes from the server."""

HTTP_ANSWERS = (WebSocketInfo, SystemStatus)
"""What HTTP answers with beside `DataReceived` and `HealthStatus`."""


def device_of(topic: str) -> str:
    """The device's segment of a topic of ours, unchecked: `decoding.valid_device_id` says whether it can name a device."""
    return topic.removeprefix(ROOT + "/").rpartition("/")[0]


def name_of(topic: str) -> str:
    """The last segment: the channel's and the event's name."""
    return topic.rpartition("/")[2]


encode = msgspec.json.Encoder().encode
"""Encodes any type above as JSON bytes."""


def field_of(error: msgspec.ValidationError) -> str | None:
    """The field that msgspec's message names, if it does."""
    _, found, path = str(error).rpartition("`$.")
    return path.rstrip("`") if found else None
