"""Payloads that frontends send and receive, over Socket.IO and HTTP."""

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
    Time,
)


class Reason(Struct, frozen=True):
    """Contribution of a feature to a prediction: `weight` in log-odds, above 0 for stress; `text` is for display."""

    feature: Annotated[str, Meta(max_length=32)]
    text: Annotated[str, Meta(max_length=128)]
    weight: float


class NewSensorData(Struct, frozen=True, kw_only=True):
    """Stored reading; `confidence` is in percent.

    `reasons` holds at most three, the largest weight first; it is empty unless the reading has just arrived.
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
    """Values of the three sensor channels of a reading."""

    hr: Hr | None
    temp: Temp | None
    eda: Eda | None


class StressAlert(Struct, frozen=True, kw_only=True):
    """Alert that was raised or cleared; `confidence` is in percent. `late`: found in old data, not to be notified."""

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
    """Request for a page of the history, newest first. Dates are in UTC; `end_date` is inclusive, a date its whole day.

    `cursor` is the `next` of the previous page. `after_id` selects the readings stored after that one, oldest first: those
    that a frontend missed while it was disconnected. A `resolution` other than `raw` selects buckets, oldest first.
    """

    limit: Annotated[int, Meta(ge=1, le=HISTORY_MAX)] = HISTORY_DEFAULT
    start_date: Time | None = None
    end_date: Time | None = None
    device_id: DeviceId | None = None
    after_id: Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None = None
    cursor: Annotated[str, Meta(max_length=80)] | None = None
    resolution: Resolution = "raw"


class Span(Struct, frozen=True):
    """Statistics of a sensor channel in a bucket."""

    min: float
    mean: float
    max: float


class HistoryBucket(Struct, frozen=True):
    """Summary of the readings in a bucket that begins at `start`. A channel without any value is null.

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
    """Answer to a history request; `error` is the reason if the request was rejected.

    `next` is the cursor of the next page, if there is one; `buckets` are `bucket_s` seconds wide.
    """

    data: tuple[NewSensorData, ...]
    count: int
    error: ErrorDetail | None = None
    next: str | None = None
    buckets: tuple[HistoryBucket, ...] = ()
    bucket_s: int | None = None


class ClientStats(Struct, frozen=True):
    """Number of connected Socket.IO clients, by type."""

    total: int
    esp32: int
    frontend: int


class Pong(Struct, frozen=True):
    """Answer to `ping`, with the server's time."""

    timestamp: datetime


class HealthStatus(Struct, frozen=True):
    """State of each part; `status` is `ok` only if all are.

    `lag_s` is the waiting time of the oldest sample being processed; null if ingest runs in another process.
    """

    status: Literal["ok", "degraded"]
    database: str
    model: str
    broker: str
    lag_s: float | None = None


class SystemStatus(HealthStatus, frozen=True, kw_only=True):
    """State of each part, and the number of connected clients."""

    client_stats: ClientStats


class EventInfo(Struct, frozen=True):
    """Socket.IO event and the side that sends it."""

    name: str
    sender: Literal["client", "server"]
    summary: str


class WebSocketInfo(Struct, frozen=True):
    """Socket.IO's path, client types and events."""

    path: str
    client_types: tuple[ClientType, ...]
    events: tuple[EventInfo, ...]


class AlertSubscription(Struct, frozen=True):
    """Answer to `frontend_subscribe_alerts`."""

    status: Literal["subscribed"]


class EventsSkipped(Struct, frozen=True):
    """Number of live events left out for a frontend that was too slow; it still got the newest of each device."""

    count: int


class EventRejected(Struct, frozen=True):
    """Answer to an event that does not exist; `error` says which do. Also the acknowledgement, if one was asked for."""

    event: Annotated[str, Meta(max_length=64)]
    error: ErrorDetail


class AnnotationRequest(Struct, frozen=True, kw_only=True):
    """Label for a time range of a device's data; without `end` it is an instant, or a range that has not ended.

    A time without a zone is in UTC. A device labels its own data and may omit `device_id`; other logins must set it.
    """

    start: Time
    label: Annotated[str, Meta(min_length=1, max_length=64, description="such as stress, calm or exercise")]
    end: Time | None = None
    note: Annotated[str, Meta(max_length=2000)] | None = None
    device_id: DeviceId | None = None


class AnnotationSaved(Struct, frozen=True, omit_defaults=True):
    """Answer to `annotate`."""

    status: Literal["success", "error"]
    id: int | None = None
    error: ErrorDetail | None = None


class ServerShutdown(Struct, frozen=True):
    """The server shuts down. Open requests are still answered; clients should reconnect after `retry_after_s`."""

    reason: str
    retry_after_s: int


class ConnectionStatus(Struct, frozen=True):
    """Sent once after a client has connected."""

    status: Literal["connected"]
    client_type: ClientType


def percent(fraction: float) -> float:
    """A fraction, such as a confidence of 0-1, as frontends show it: in percent, with two decimals."""
    return round(100 * fraction, 2)
