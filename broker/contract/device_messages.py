"""Payloads that devices send and receive."""

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
    """Sample of a device. At least one of `hr`, `temp`, `eda` is required; null or absent means no value now, as without
    skin contact.

    `timestamp` is ISO 8601 (no zone means UTC), or a Unix time in seconds, milli-, micro- or nanoseconds. `boot` and `seq`
    must be sent together or both be left out: with them a sample that is sent again is stored once. Unknown fields are
    ignored.
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
    """Predicted stress level. With p, the probability of stress, `confidence` is 1 - p for `normal`, else p."""

    label: StressLevel
    confidence: Probability


class ErrorDetail(Struct, frozen=True, omit_defaults=True):
    """Reason for a rejection; `field` is the name of the invalid field, if there is one."""

    code: ErrorCode
    message: str
    field: str | None = None


class BatchError(Struct, frozen=True, omit_defaults=True):
    """Rejected element of a batch, or in `warnings` any element; `index` is its position, from 0."""

    index: int
    error: ErrorDetail
    boot: str | None = None
    seq: int | None = None


ReceiptStatus = Literal["success", "partial", "error"]


class DataReceived(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Receipt for a sample or a batch, sent after the database commit: `success` means stored.

    `error` and `errors` tell what was not stored, `warnings` what was stored otherwise than it was sent; `message` is the
    text of the first of them.

    For a batch the fields describe its newest stored sample, but `boot` and `seq` are those of its last element. `sha256`
    is the hash of the payload that is answered. `duplicate`: all its samples had been stored before.
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
    warnings: tuple[BatchError, ...] = ()
    message: str | None = None
    sha256: str | None = None


DeviceState = Literal["online", "offline", "sleeping"]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]


class DeviceStatus(Struct, frozen=True, omit_defaults=True):
    """Status of a device, without health data: a retained message, and the device's will.

    `waiting` is the number of samples that are not acknowledged yet, `dropped` that of the samples lost since the boot
    because the device's memory was full.
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
    """Command to a device, answered by `command_result`."""

    command_id: CommandId
    command: Command
    value: CommandValue | None = None


class CommandResult(Struct, frozen=True, omit_defaults=True):
    """Answer of a device to a `device_command`."""

    command_id: CommandId
    status: Annotated[str, Meta(min_length=1, max_length=64)]
    message: Annotated[str, Meta(max_length=1000)] | None = None
