"""Messages of the bus: checked and decoded once, so that nothing behind it decodes a payload again.

A device, or any client that may publish at an external broker, decides what a message holds.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import msgspec
from msgspec import Struct

from broker.contract import CHANNELS, Channel
from broker.contract.errors import RejectedError
from broker.contract.reports import read_report
from broker.message import Message
from broker.pacing.log_limiter import LogLimiter
from gateway.metrics import Metrics

log = logging.getLogger(__name__)

_DECODERS: Final = {channel.name: msgspec.json.Decoder(channel.payload).decode for channel in CHANNELS}

Reason = Literal["forged", "device_id", "not_utf8", "invalid", "in_part", "unknown", "internal"]


class Inbound(Struct, frozen=True, eq=False):
    """A valid message of the bus.

    `payload` is of the channel's type, or None if a retained message was cleared or cannot be understood; `raw` is the JSON
    as it came.
    """

    channel: Channel
    device_id: str
    payload: Any
    raw: bytes


class InboundReader:
    """Reads messages of the bus; what it rejects is counted by channel and reason, and logged now and then."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._warnings = LogLimiter(log, time.monotonic)

    def read(self, message: Message) -> Inbound | None:
        """Return the message, or None if it was rejected: sent by the wrong side, on a topic of what can be no device, or
        not of the contract's type.
        """
        channel = message.channel
        assert channel is not None  # noqa: S101 - both buses hand over what our filters match, and no more
        try:
            return _read(channel, message)
        except _RejectedMessageError as error:
            if error.reason not in ("not_utf8", "invalid") or channel.sender != "device":
                self.reject(channel, error.reason, f"on {message.topic[:200]!r}: {error}")
                return None
        return self._understood(channel, message)

    def _understood(self, channel: Channel, message: Message) -> Inbound | None:
        """Return what can be understood of a device's message that is not of the contract's type."""
        device_id, where = message.device_id, f"on {message.topic[:200]!r}"
        try:
            report = read_report(message.payload, channel.payload)
        except RejectedError as error:
            self.reject(channel, "not_utf8" if error.detail.code == "not_utf8" else "invalid", f"{where}: {error}")
            # What was retained before is true no more.
            return Inbound(channel, device_id, None, b"") if channel.retained else None
        if report.unused:
            self._metrics.rejected_messages.labels(channel.name.value, "in_part").inc()
            self._warnings.warn("used a message in part %s: not %s", where, report.unused[:400])
        return Inbound(channel, device_id, report.payload, message.payload)

    @contextmanager
    def containing(self, message: Inbound) -> Iterator[None]:
        """Give up a message whose handling fails in a way that nobody foresaw, counted and logged: the others go on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it is logged
            channel = message.channel.name.value
            self._metrics.rejected_messages.labels(channel, "internal").inc()
            self._warnings.failed("a message of %s on %s failed", message.device_id, channel, error=error)

    def reject(self, channel: Channel, reason: Reason, what: str) -> None:
        """Count a message that is rejected, and log it if not too many are."""
        self._metrics.rejected_messages.labels(channel.name.value, reason).inc()
        self._warnings.warn("refused a message %s", what[:400])

    def reject_event(self, what: str, name: str) -> None:
        """Count an event that nothing listens to, and log it if not too many are."""
        self._metrics.rejected_messages.labels("none", "unknown").inc()
        self._warnings.warn("refused %s over Socket.IO: %r", what, name[:64])


class _RejectedMessageError(Exception):
    def __init__(self, reason: Reason, why: str) -> None:
        super().__init__(why)
        self.reason = reason


def _read(channel: Channel, message: Message) -> Inbound:
    if channel.sender == "pipeline" and not message.trusted:
        raise _RejectedMessageError("forged", "only the pipeline may publish there")
    device_id = message.device_id
    if not message.valid_device:
        raise _RejectedMessageError("device_id", "no device can have that name")
    if channel.retained and not message.payload:
        return Inbound(channel, device_id, None, b"")
    try:
        # msgspec does not look into the text of fields that it skips.
        message.payload.decode()
        return Inbound(channel, device_id, _DECODERS[channel.name](message.payload), message.payload)
    except UnicodeDecodeError as error:
        raise _RejectedMessageError("not_utf8", f"it must be UTF-8: byte {error.start} is not") from error
    except (msgspec.DecodeError, RecursionError) as error:
        raise _RejectedMessageError("invalid", str(error)) from error
