"""Payloads that frontends send and are sent, over Socket.IO and HTTP."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from broker.contract.device_messages import ErrorDetail
from broker.contract.limits import (
    HISTORY_DEFAULT,
    HISTORY_MAX,
    MAX_COUNT,
    AlertState,
    ClientType,
    DeviceId,
    Eda,
    Hr,
    Percent,
    Probability,
    Quality,
    Resolution,
    StressLevel,
    Temp,
)


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


def percent(fraction: float) -> float:
    """A fraction, such as a confidence of 0-1, as frontends show it: in percent, with two decimals."""
    return round(100 * fraction, 2)
