"""Late data: a sample that is older than the newest one of its stream. Pure.

The watermark of a stream, the newest timestamp that it has seen, only moves forward. A sample older than the watermark of
a device's live stream is late data. It goes to the backfill stream, whose alerts are always late, so that yesterday never
moves today's alert. A sample older than the watermark of the backfill stream begins a new backfill stream.

No sample is accepted that is far ahead of the server's clock. So if the live watermark is, the server's clock was wrong
earlier, and the watermark is reset: else all samples would be late data until that time has come.
"""

from typing import Final

from broker.contract import CLOCK_AHEAD_S

SAME_S: Final = 1e-3
"""Closer samples count as of the same timestamp, as with whole seconds at 2 Hz: they stay in order of arrival."""
NUDGE_S: Final = 1e-6
"""Samples with the same timestamp are moved apart by this."""
NUDGED_S: Final = 1.0
"""The time of a stream may be this far ahead of its newest timestamp, if many samples share one."""


class Watermark:
    """The newest time of a stream, in seconds since 1970; None before its first sample.

    `timestamp_s` is the newest timestamp. `stream_s` is the time that the features are given for it, which may be nudged
    beyond it; it runs ahead of them between routing a batch and scoring it.
    """

    __slots__ = ("stream_s", "timestamp_s")

    def __init__(self, newest_s: float | None) -> None:
        self.stream_s = newest_s
        self.timestamp_s = newest_s

    def advance(self, t_s: float) -> float | None:
        """Advance to `t_s`. Return `t_s`, if needed moved to after the last sample; None for late data."""
        if self.timestamp_s is not None and t_s <= self.timestamp_s - SAME_S:
            return None
        self.timestamp_s = t_s if self.timestamp_s is None else max(t_s, self.timestamp_s)
        self.stream_s = t_s if self.stream_s is None else max(t_s, self.stream_s + NUDGE_S)
        return self.stream_s

    def ahead(self, now_s: float) -> bool:
        """Return if it is further ahead of the server's clock than any sample may be."""
        return self.stream_s is not None and self.stream_s - NUDGED_S > now_s + CLOCK_AHEAD_S
