"""Payloads that devices send and are sent."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct

from broker.contract.limits import (
    MAX_COMMAND,
    MAX_COMMAND_ID,
    MAX_COMMAND_TEXT,
    MAX_COUNT,
    Boot,
    DeviceId,
    Eda,
    ErrorCode,
    Hr,
    Percent,
    Probability,
    Seq,
    StressLevel,
    Temp,
)


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
