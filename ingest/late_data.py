"""Late data: a sample that is older than the newest one of its stream. Pure.

The watermark of a stream, the newest timestamp that it has seen, only moves forward. A sample older than the watermark of
a device's live stream is late data. It goes to the backfill stream, whose alerts are always late, so that yesterday never
moves today's alert. A sample older than the watermark of the backfill stream begins a new backfill stream.

Devices that send each channel in messages of its own send them one after another: first some seconds of skin conductance,
then the same seconds of heart rate. Those are no late data. So a sample that is at most `APART_S` older than the watermark
is taken by its stream, as of now, if it is newer than the newest values of all the channels that it carries.

No sample is accepted that is far ahead of the server's clock. So if the live watermark is, the server's clock was wrong
earlier, and the watermark is reset: else all samples would be late data until that time has come.
"""

from collections.abc import Sequence
from math import isnan, nan
from typing import Final

from broker.contract import CLOCK_AHEAD_S, RANGES

APART_S: Final = 30.0
"""A channel may arrive so much later than the others of its device."""
SAME_S: Final = 1e-3
"""Closer samples count as of the same timestamp, as with whole seconds at 2 Hz: they stay in order of arrival."""
NUDGE_S: Final = 1e-6
"""Samples with the same timestamp are moved apart by this."""
NUDGED_S: Final = 1.0
"""The time of a stream may be this far ahead of its newest timestamp, if many samples share one."""


class Watermark:
    """The newest time of a stream, in seconds since 1970; None before its first sample.

    `timestamp_s` is the newest timestamp. `stream_s` is the time that the features are given for it, which may be nudged
    beyond it; it runs ahead of them between routing a batch and scoring it. `heard_s` are the newest timestamps with each
    of the channels, in the order of a sample; NaN before the first.
    """

    __slots__ = ("heard_s", "stream_s", "timestamp_s")

    def __init__(self, newest_s: float | None, heard_s: Sequence[float] = (nan,) * len(RANGES)) -> None:
        self.stream_s = newest_s
        self.timestamp_s = newest_s
        self.heard_s = list(heard_s)

    def advance(self, t_s: float, values: Sequence[float | None]) -> float | None:
        """Advance to `t_s`, the timestamp of a sample with these `values`.

        Return `t_s`, if needed moved to after the last sample; None for late data.
        """
        carried = [channel for channel, value in enumerate(values) if value is not None]
        if self.timestamp_s is not None and t_s <= self.timestamp_s - SAME_S and not self._apart(t_s, carried):
            return None
        for channel in carried:
            if not t_s <= self.heard_s[channel]:
                self.heard_s[channel] = t_s
        self.timestamp_s = t_s if self.timestamp_s is None else max(t_s, self.timestamp_s)
        self.stream_s = t_s if self.stream_s is None else max(t_s, self.stream_s + NUDGE_S)
        return self.stream_s

    def _apart(self, t_s: float, carried: Sequence[int]) -> bool:
        """Tell if a sample is older only than samples of other channels, and not much."""
        if self.timestamp_s is None or t_s < self.timestamp_s - APART_S or not carried:
            return False
        return all(isnan(heard_s) or t_s > heard_s - SAME_S for heard_s in map(self.heard_s.__getitem__, carried))

    def ahead(self, now_s: float) -> bool:
        """Return if it is further ahead of the server's clock than any sample may be."""
        return self.stream_s is not None and self.stream_s - NUDGED_S > now_s + CLOCK_AHEAD_S
