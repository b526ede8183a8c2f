"""The features of a stream of heart rate, skin temperature and skin conductance, one sample at a time.

Training, offline prediction and live serving run this one implementation. It is causal: a feature knows the samples up
to now and nothing else. No feature knows the time since the start (in a laboratory that predicts the protocol, not the
stress); levels are taken against the person's own running baseline.

Every second is one bucket (`windows`), so a device that sends ten samples a second costs no more memory than one that
sends one. Each value is the median of the newest three of its channel: one wild sample moves nothing.
"""

from math import exp, log, nan
from typing import Final, NamedTuple

from models import snapshot
from models.baselines import Baseline
from models.windows import Series

FEATURES: Final[tuple[str, ...]] = (
    "hr_30_baseline",  # bpm: mean of 30 s minus the baseline
    "hr_60_baseline",  # bpm
    "eda_60_baseline",  # ln uS
    "hr_60_z",  # the same against the baseline's spread
    "eda_60_z",
    "hr_60_sd",  # bpm
    "hr_60_slope",  # bpm a second
    "eda_60_slope",  # ln uS a second
    "temp_60_slope",  # degrees Celsius a second
    "hr_60_300",  # bpm: mean of 60 s minus mean of 300 s
    "eda_60_300",  # ln uS
    "temp_60_300",  # degrees Celsius
    "scr_60_count",  # skin conductance responses a minute
    "scr_60_amplitude",  # uS a minute
    "phasic_60_sd",  # phasic / tonic EDA, no unit
    "phasic_120_sd",
    "eda_60_change",  # uS: mean absolute change from second to second
)

CHANNELS: Final = ("hr", "temp", "eda")

GAP_S: Final = 30.0
"""A longer silence restarts the windows; the baselines stay as they were."""
BASELINE_TAU_S: Final = 1200.0
PHASIC_TAU_S: Final = 20.0
TONIC_TAU_S: Final = 300.0
HR_SD_FLOOR: Final = 3.0
EDA_SD_FLOOR: Final = 0.1
TONIC_FLOOR_US: Final = 0.05
EDA_FLOOR_US: Final = 0.01
SCR_RISE_US: Final = 0.02
SCR_LOOKBACK_S: Final = 6
LEAST: Final = 5
"""Fewer seconds than this have no spread and no slope."""


class _Newest:
    """When a channel last gave a value, and its newest two values, for the median of three."""

    __slots__ = ("newest_s", "values")

    def __init__(self) -> None:
        self.newest_s: float | None = None
        self.values: list[float] = []

    def median(self, value: float) -> float:
        """The median of the value and the two before it; of two values their mean."""
        self.values.append(value)
        if len(self.values) > 3:
            del self.values[0]
        if len(self.values) == 3:
            return sorted(self.values)[1]
        return sum(self.values) / len(self.values)

    def dt_s(self, t_s: float) -> float | None:
        """Seconds since the channel's last value, a gap counted as `GAP_S` at most; None if there was none."""
        before, self.newest_s = self.newest_s, t_s
        return None if before is None else min(t_s - before, GAP_S)

    def copy(self) -> "_Newest":
        twin = _Newest()
        twin.newest_s, twin.values = self.newest_s, self.values[:]
        return twin


class _Peak(NamedTuple):
    """What a closed second of EDA says: the change from the second before, and the SCR that ended, if one did."""

    change: float
    scr_us: float | None


class FeatureState:
    """The state of one device's stream: about 10 KB, whatever the rate and however long it runs."""

    __slots__ = ("_baselines", "_channels", "_closed", "_open_eda", "_second", "_series", "_start_s", "newest_s")

    def __init__(self) -> None:
        self.newest_s: float | None = None
        self._baselines = (
            Baseline(BASELINE_TAU_S),
            Baseline(BASELINE_TAU_S),
            Baseline(PHASIC_TAU_S),
            Baseline(TONIC_TAU_S),
        )
        self._channels = (_Newest(), _Newest(), _Newest())
        self._restart(0.0)

    def _restart(self, t_s: float) -> None:
        """Empty windows that begin at `t_s`."""
        self._start_s = t_s
        self._second = -1
        # hr, ln eda, temp, phasic / tonic, change of eda, SCR amplitude
        self._series = (Series(30, 60, 300), Series(60, 300), Series(60, 300), Series(60, 120), Series(60), Series(60))
        self._closed: list[tuple[int, float]] = []
        self._open_eda: tuple[float, int] = (0.0, 0)
        for channel in self._channels:
            channel.values = []
        for baseline in self._baselines[2:]:
            baseline.restore((nan, 0.0, 0.0))

    def rewind(self) -> None:
        """Begin again at whatever time comes next, earlier ones too; the baselines stay as they were."""
        self.newest_s = None
        for channel in self._channels:
            channel.newest_s = None

    def usual(self) -> dict[str, float | None]:
        """The running personal baselines, as people read them: `hr` in bpm with its spread, `eda` in microsiemens."""
        hr, eda = self._baselines[:2]
        return {
            "hr": round(hr.mean, 2) if hr.weight else None,
            "hr_sd": round(hr.sd(), 2) if hr.weight else None,
            "eda": round(exp(eda.mean), 4) if eda.weight else None,
        }

    @property
    def age_s(self) -> float:
        """Seconds of unbroken stream since the windows last started; 0 before the first sample."""
        return 0.0 if self.newest_s is None else self.newest_s - self._start_s

    def step(self, t_s: float, hr: float | None, temp: float | None, eda: float | None) -> list[float]:
        """Take one sample and return the features, in the order of `FEATURES`; NaN where one cannot be known.

        `t_s` in seconds (Unix or of a recording); `hr` in bpm, `temp` in degrees Celsius, `eda` in microsiemens, None
        where the sensor has no contact. Raises ValueError, the state unchanged, if `t_s` is not after the newest sample.
        """
        if self.newest_s is None or t_s - self.newest_s > GAP_S:
            self._restart(t_s)
        elif not t_s > self.newest_s:
            raise ValueError(f"a sample at {t_s} is not after the newest at {self.newest_s}")
        self.newest_s = t_s
        self._open_second(int(t_s - self._start_s + 0.5))
        hr_channel, temp_channel, eda_channel = self._channels
        if hr is not None:
            value = hr_channel.median(hr)
            self._baselines[0].update(value, hr_channel.dt_s(t_s))
            self._series[0].put(value)
        if temp is not None:
            self._series[2].put(temp_channel.median(temp))
        if eda is not None:
            self._put_eda(eda_channel.median(eda), eda_channel.dt_s(t_s))
        return self._features()

    def _open_second(self, second: int) -> None:
        """Slide the windows to `second`; the EDA of the second before is now complete."""
        if second == self._second:
            return
        for series in self._series:
            series.advance(second)
        total, n = self._open_eda
        if n:
            peak = self._close_eda(self._second, total / n)
            self._series[4].put(peak.change)
            if peak.scr_us is not None:
                self._series[5].put(peak.scr_us)
        self._second = second

    def _close_eda(self, second: int, eda: float) -> _Peak:
        """Note the mean EDA of a complete second, and look whether the one before it was a peak."""
        closed = self._closed
        self._open_eda = (0.0, 0)
        closed.append((second, eda))
        if len(closed) == 1:
            return _Peak(0.0, None)
        before_s, before = closed[-2]
        change = abs(eda - before) / (second - before_s)
        while closed[0][0] < before_s - SCR_LOOKBACK_S:
            del closed[0]
        if len(closed) < 3 or not closed[-3][1] < before >= eda:
            return _Peak(change, None)
        rise = before - min([value for _, value in closed[:-2]])
        return _Peak(change, rise if rise > SCR_RISE_US else None)

    def _put_eda(self, eda: float, dt_s: float | None) -> None:
        """One value of EDA: its level, and how far it stands out from the last seconds."""
        _, level, fast, tonic = self._baselines
        ln_eda = log(max(eda, EDA_FLOOR_US))
        level.update(ln_eda, dt_s)
        fast.update(eda, dt_s)
        tonic.update(eda, dt_s)
        self._series[1].put(ln_eda)
        self._series[3].put((eda - fast.mean) / max(tonic.mean, TONIC_FLOOR_US))
        total, n = self._open_eda
        self._open_eda = (total + eda, n + 1)

    def _features(self) -> list[float]:
        hr_base, eda_base, _, _ = self._baselines
        hr, eda, temp, phasic, change, scr = (series.windows for series in self._series)
        hr_60, eda_60 = hr[1].mean() - hr_base.mean, eda[0].mean() - eda_base.mean
        known = eda[0].n > 0
        return [
            hr[0].mean() - hr_base.mean,
            hr_60,
            eda_60,
            hr_60 / max(hr_base.sd(), HR_SD_FLOOR),
            eda_60 / max(eda_base.sd(), EDA_SD_FLOOR),
            hr[1].sd(LEAST),
            hr[1].slope(LEAST),
            eda[0].slope(LEAST),
            temp[0].slope(LEAST),
            hr[1].mean() - hr[2].mean(),
            eda[0].mean() - eda[1].mean(),
            temp[0].mean() - temp[1].mean(),
            float(scr[0].n) if known else nan,
            scr[0].total() if known else nan,
            phasic[0].sd(LEAST) if known else nan,
            phasic[1].sd(LEAST) if known else nan,
            change[0].mean() if known else nan,
        ]

    def copy(self) -> "FeatureState":
        """An independent copy, to be thrown away if a transaction fails."""
        twin = FeatureState.__new__(FeatureState)
        twin.newest_s, twin._start_s, twin._second = self.newest_s, self._start_s, self._second
        twin._baselines = tuple(baseline.copy() for baseline in self._baselines)  # type: ignore[assignment]
        twin._channels = tuple(channel.copy() for channel in self._channels)  # type: ignore[assignment]
        twin._series = tuple(series.copy() for series in self._series)  # type: ignore[assignment]
        twin._closed, twin._open_eda = self._closed[:], self._open_eda
        return twin

    def to_bytes(self) -> bytes:
        """A snapshot from which `from_bytes` goes on bit for bit; about 5 KB."""
        return snapshot.encode(
            snapshot.Snapshot(
                version=snapshot.VERSION,
                start_s=self._start_s,
                newest_s=self.newest_s,
                second=self._second,
                channels=[(channel.newest_s, channel.values) for channel in self._channels],
                series=[series.dump() for series in self._series],
                baselines=[baseline.dump() for baseline in self._baselines],
                closed=self._closed,
                open_eda=self._open_eda,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "FeatureState":
        """The state that `to_bytes` stored. Raises ValueError for another version's snapshot or a damaged one."""
        stored = snapshot.decode(data)
        state = cls()
        state._take(stored)
        return state

    def _take(self, stored: snapshot.Snapshot) -> None:
        self._start_s, self.newest_s, self._second = stored.start_s, stored.newest_s, stored.second
        for channel, (newest_s, values) in zip(self._channels, stored.channels, strict=True):
            channel.newest_s, channel.values = newest_s, values
        for series, dumped in zip(self._series, stored.series, strict=True):
            series.restore(dumped)
        for baseline, moments in zip(self._baselines, stored.baselines, strict=True):
            baseline.restore(moments)
        self._closed, self._open_eda = stored.closed, stored.open_eda
