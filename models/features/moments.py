"""The state of a stream as one flat row of numbers, so that the states of many devices are one matrix.

A row is a header (times, the open second, contact) and twice the same part: the moments up to the last second that is
complete, and those with the open second as it stands. A sample of the open second replaces the latter only, so ten samples
a second cost no more memory than one, and how samples are chunked cannot matter.

The moments are exponentially weighted, bias-corrected means: the weights of what was seen always sum to one, so a young
mean is the plain mean of what there is. They see the time between samples, never the time since the start. (Weighted
incremental update: T. Finch, Incremental calculation of weighted mean and variance, 2009, sections 4 and 9.)
"""

from math import log
from typing import Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Inputs = NDArray[np.float32]
Flags = NDArray[np.bool_]

CHANNELS: Final = ("hr", "eda", "temp")
"""The columns of all matrices in this room, and so of every snapshot and model. First the two that have a level of rest."""
HR, EDA, TEMP = range(len(CHANNELS))
TAUS_S: Final = (3, 10, 20, 30, 60, 120, 300, 600, 1200)
BASELINE: Final = TAUS_S.index(1200)
"""The slowest mean is the personal baseline."""
CHANGE_TAUS_S: Final = (30, 60, 120, 300, 1200)
CHANGES: Final = (
    "eda_change",  # |change| of EDA, uS a second
    "eda_rise",  # the same, rises only
    "ln_eda_change",  # |change| of ln EDA a second
    "ln_eda_rise",
    "scr_rate",  # skin conductance responses a second
    "scr_amplitude",  # their summed height, uS a second
    "phasic_power",  # (ln EDA - its mean of 20 s)^2
    "phasic_up",  # the same difference, where it is positive
    "hr_change",  # |change| of the heart rate's mean over 10 s, bpm a second
    "hr_change_power",  # its square
)
"""Changes from second to second; each has means over `CHANGE_TAUS_S`."""
GAP_S: Final = 30
"""A channel's longer silence restarts its means of up to `KEPT_FROM_S`; the slower ones stay as they were."""
KEPT_FROM_S: Final = 600
EDA_FLOOR_US: Final = 0.01
SCR_RISE_US: Final = 0.02
REST_TAUS_S: Final = (60, 1800)
"""The level of rest follows what is lower within a minute, what is higher within half an hour; the peak the other way."""


class _Layout:
    """Position and shape of each field of a part; immutable after construction."""

    def __init__(self, **shapes: tuple[int, ...]) -> None:
        self.width = 0
        self._fields: dict[str, tuple[slice, tuple[int, ...]]] = {}
        for name, shape in shapes.items():
            size = int(np.prod(shape))
            self._fields[name] = slice(self.width, self.width + size), shape
            self.width += size

    def get(self, rows: Matrix, name: str) -> Matrix:
        """A view of the field, of shape (rows, *shape)."""
        where, shape = self._fields[name]
        found: Matrix = rows[:, where].reshape(len(rows), *shape)
        return found

    def put(self, rows: Matrix, name: str, values: Matrix) -> None:
        """Set the field."""
        rows[:, self._fields[name][0]] = values.reshape(len(rows), -1)


_N, _M, _C = len(CHANNELS), len(TAUS_S), len(CHANGE_TAUS_S)
PART: Final = _Layout(
    newest_two=(_N, 2),  # the two values before the newest of each channel, for the median of three
    value=(_N,),  # median; of EDA its logarithm
    eda=(1,),  # the median of EDA in uS
    seen=(_N,),  # the second of the newest value; NaN: none yet
    mean=(_N, _M),
    weight=(_N, _M),
    variance=(_N, _M),
    change=(len(CHANGES), _C),
    change_weight=(2, _C),  # of the changes of EDA and of heart rate
    rest=(2,),  # of heart rate and ln EDA
    peak=(2,),
    trough=(1,),  # of EDA in uS, where the present rise began
    crest=(1,),
    rising=(1,),
)
_FAST: Final = np.array(TAUS_S) < KEPT_FROM_S
_CHANGE_FAST: Final = np.array(CHANGE_TAUS_S) < KEPT_FROM_S
_CHANGE_OF: Final = np.array([0 if name.startswith(("eda", "ln_eda", "scr", "phasic")) else 1 for name in CHANGES])
_TINY: Final = 1e-300


def _gains(taus_s: tuple[int, ...]) -> Matrix:
    """The weight of a value that comes after 0 to `GAP_S` whole seconds, for each time constant."""
    found: Matrix = -np.expm1(-np.arange(GAP_S + 1.0)[:, None] / np.array(taus_s))
    return found


_GAINS: Final = _gains(TAUS_S)
_CHANGE_GAINS: Final = _gains(CHANGE_TAUS_S)
_REST_GAINS: Final = _gains(REST_TAUS_S)
_TAU_10, _TAU_20 = TAUS_S.index(10), TAUS_S.index(20)


def empty_part() -> Matrix:
    """A part of which nothing is known, of shape (width,)."""
    part = np.zeros((1, PART.width))
    PART.put(part, "seen", np.full((1, _N), np.nan))
    row: Matrix = part[0]
    return row


def stepped(part: Matrix, second: Matrix, values: Matrix) -> Matrix:
    """The parts after one more second: `second` (rows,), `values` (rows, channels), NaN where there is none."""
    new = np.empty_like(part)
    here = ~np.isnan(values)
    silent = second[:, None] - PART.get(part, "seen")
    fresh = here & ~(silent <= GAP_S)
    elapsed = np.where(here, np.where(fresh, 1.0, silent), 0.0)
    before, now = _take_values(part, new, second, values, here, fresh)
    _take_means(part, new, now, fresh, elapsed)
    _take_changes(part, new, before, now, here, fresh, elapsed)
    _take_rest(part, new, elapsed)
    return new


def _take_values(
    part: Matrix, new: Matrix, second: Matrix, values: Matrix, here: Flags, fresh: Flags
) -> tuple[Matrix, Matrix]:
    """The median of three of each channel; returns the channels' values before and now, EDA as its logarithm."""
    two = PART.get(part, "newest_two")
    older, newer = np.where(fresh[:, :, None], values[:, :, None], two).transpose(2, 0, 1)
    median = np.maximum(np.minimum(older, newer), np.minimum(np.maximum(older, newer), values))
    kept = np.where(here[:, :, None], np.stack([newer, values], 2), two)
    eda = np.where(here[:, EDA], median[:, EDA], PART.get(part, "eda")[:, 0])
    before = PART.get(part, "value")
    now = np.where(here, median, before)
    # math.log, because that of numpy may differ in the last bit with the number of rows.
    ln_eda = np.array([log(max(each, EDA_FLOOR_US)) for each in eda.tolist()])
    now[:, EDA] = np.where(here[:, EDA], ln_eda, before[:, EDA])
    PART.put(new, "newest_two", kept)
    PART.put(new, "value", now)
    PART.put(new, "eda", eda)
    PART.put(new, "seen", np.where(here, second[:, None], PART.get(part, "seen")))
    return before, now


def _take_means(part: Matrix, new: Matrix, now: Matrix, fresh: Flags, elapsed: Matrix) -> None:
    kept = PART.get(part, "weight")
    if fresh.any():
        kept = np.where(fresh[:, :, None] & _FAST, 0.0, kept)
    gain = _GAINS[elapsed.astype(np.intp)]
    weight = kept * (1 - gain) + gain
    share = gain / np.maximum(weight, _TINY)
    mean, variance = PART.get(part, "mean"), PART.get(part, "variance")
    delta = now[:, :, None] - mean
    PART.put(new, "weight", weight)
    PART.put(new, "mean", mean + delta * share)
    PART.put(new, "variance", (1 - share) * (variance + share * delta**2))


def _take_changes(
    part: Matrix, new: Matrix, before: Matrix, now: Matrix, here: Flags, fresh: Flags, elapsed: Matrix
) -> None:
    moves = here & ~fresh
    span = np.maximum(elapsed, 1.0)
    ln_change = np.where(moves[:, EDA], now[:, EDA] - before[:, EDA], 0.0) / span[:, EDA]
    eda, eda_before = PART.get(new, "eda")[:, 0], PART.get(part, "eda")[:, 0]
    eda_change = np.where(moves[:, EDA], eda - eda_before, 0.0) / span[:, EDA]
    ended, height = _take_response(part, new, eda_before, eda, eda_change, fresh[:, EDA])
    phasic = now[:, EDA] - PART.get(new, "mean")[:, EDA, _TAU_20]
    # Sensors differ in how much they smooth the heart rate, and its jitter with it: so all are smoothed first.
    smooth, smooth_before = PART.get(new, "mean")[:, HR, _TAU_10], PART.get(part, "mean")[:, HR, _TAU_10]
    hr_change = np.where(moves[:, HR], smooth - smooth_before, 0.0) / span[:, HR]
    values = (
        np.abs(eda_change),
        np.maximum(eda_change, 0.0),
        np.abs(ln_change),
        np.maximum(ln_change, 0.0),
        ended / span[:, EDA],
        height / span[:, EDA],
        phasic**2,
        np.maximum(phasic, 0.0),
        np.abs(hr_change),
        hr_change**2,
    )
    order = [EDA, HR]
    kept, mean = PART.get(part, "change_weight"), PART.get(part, "change")
    if fresh.any():
        restarted = fresh[:, order, None] & _CHANGE_FAST
        kept, mean = np.where(restarted, 0.0, kept), np.where(restarted[:, _CHANGE_OF], 0.0, mean)
    gain = _CHANGE_GAINS[np.where(moves, elapsed, 0.0)[:, order].astype(np.intp)]
    weight = kept * (1 - gain) + gain
    share = (gain / np.maximum(weight, _TINY))[:, _CHANGE_OF]
    PART.put(new, "change_weight", weight)
    PART.put(new, "change", mean + (np.stack(values, 1)[:, :, None] - mean) * share)


def _take_response(
    part: Matrix, new: Matrix, eda_before: Matrix, eda: Matrix, change: Matrix, fresh: Flags
) -> tuple[Flags, Matrix]:
    """Return the rows that end a skin conductance response (a rise over `SCR_RISE_US` that now falls), and its height."""
    trough = np.where(fresh, eda, PART.get(part, "trough")[:, 0])
    crest = np.where(fresh, eda, PART.get(part, "crest")[:, 0])
    rising = np.where(fresh, 0.0, PART.get(part, "rising")[:, 0]) != 0
    height = crest - trough
    ended = rising & (change < 0) & (height > SCR_RISE_US)
    up = change > 0
    PART.put(new, "trough", np.where(~rising & up, eda_before, trough))
    PART.put(new, "crest", np.where(up, eda, crest))
    PART.put(new, "rising", np.where(change != 0, up, rising).astype(np.float64))
    return ended, np.where(ended, height, 0.0)


def _take_rest(part: Matrix, new: Matrix, elapsed: Matrix) -> None:
    level = PART.get(new, "mean")[:, [HR, EDA], _TAU_10]
    never = PART.get(part, "weight")[:, [HR, EDA], BASELINE] == 0
    fast, slow = _REST_GAINS[elapsed[:, [HR, EDA]].astype(np.intp)].transpose(2, 0, 1)
    rest = np.where(never, level, PART.get(part, "rest"))
    peak = np.where(never, level, PART.get(part, "peak"))
    PART.put(new, "rest", rest + np.where(level < rest, fast, slow) * (level - rest))
    PART.put(new, "peak", peak + np.where(level > peak, fast, slow) * (level - peak))
