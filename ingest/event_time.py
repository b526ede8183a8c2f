"""Event time of samples: when they were taken, as far as the clocks of device and server can tell."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from broker.contract.samples import RejectedSample, Sample


class EventTime(NamedTuple):
    """A time; `synced`: by the device's clock, else by the server's."""

    at: datetime
    synced: bool


def event_times(elements: Sequence[Sample | RejectedSample], received_at: datetime) -> list[EventTime | None]:
    """The time of each sample of a message, None for an element that was rejected.

    A sample without a usable timestamp takes the server's time, less how much longer the device had been up at the
    message's last sample.
    """
    uptimes = [element.uptime_ms for element in elements if isinstance(element, Sample) and element.uptime_ms is not None]
    last_ms = uptimes[-1] if uptimes else 0
    return [
        None if isinstance(element, RejectedSample) else _event_time(element, received_at, last_ms) for element in elements
    ]


def _event_time(sample: Sample, received_at: datetime, last_ms: int) -> EventTime:
    if sample.timestamp is not None:
        return EventTime(sample.timestamp, synced=True)
    uptime_ms = last_ms if sample.uptime_ms is None else sample.uptime_ms
    behind_ms = last_ms - uptime_ms
    if behind_ms < -_WRAP_MS // 2 and uptime_ms < _WRAP_MS:
        behind_ms += _WRAP_MS
    # No device buffers longer than this: a larger difference is an error of its uptime.
    return EventTime(received_at - timedelta(milliseconds=min(max(behind_ms, 0), _LONGEST_MS)), synced=False)


_LONGEST_MS = 30 * 24 * 3600 * 1000
_WRAP_MS = 1 << 32
"""Arduino's `millis()` begins again at 0 after so many: every 49.7 days."""
