"""The features of a stream of heart rate, skin temperature and skin conductance, one sample at a time.

Training, offline prediction and live serving run this one implementation, over the rows of as many streams at once as
there are. It is causal: a feature knows the samples up to now and nothing else. No feature knows the time since the start
(in a laboratory that predicts the protocol, not the stress); levels are taken against the person's own running baseline.

Every second is one bucket, the mean of its samples; each value is the median of a channel's newest three buckets, so that
one wild second moves nothing. A sensor that is not on the skin counts as one without contact; of one that is stuck the
features are unknown until it moves. A channel that a sample leaves out stays as it was, for as long as its window is
(`contact`): so it does not matter whether a device sends its channels together or apart.
"""

from collections.abc import Sequence
from math import exp, nan
from typing import Final, NamedTuple

import numpy as np

from models.features.contact import KNOWN_S, WINDOW_S, Contact, take_contact
from models.features.moments import BASELINE, CHANGES, CHANNELS, EDA, GAP_S, PART, TAUS_S, Flags, Matrix, stepped
from models.features.names import (
    DIFFERENCES_S,
    FEATURES,
    REST_TAUS_S,
    SD_RATIO_TAUS_S,
    SHORT_TAUS_S,
    TONIC,
    Z_TAUS_S,
    channel_of,
)
from models.features.row import BASE, COUNT, NEWEST, OPEN, ORIGIN, SECOND, START, SUM

SD_FLOORS: Final = np.array([3.0, 0.1, 0.1])
"""The least spread of a baseline of heart rate (bpm), ln EDA and temperature (degrees Celsius)."""
_SD_RATIO_FLOORS: Final = np.array([0.5, 0.02, 0.02])
_RANGE_FLOORS: Final = np.array([4.0, 0.15])
_CHANGE_FLOOR: Final = 1e-4
TONIC_FLOOR_US: Final = 0.05
_CHANNEL: Final = np.array([CHANNELS.index(channel_of(name)) for name in FEATURES])


def _at(taus_s: Sequence[int], wanted: Sequence[int]) -> list[int]:
    return [taus_s.index(tau) for tau in wanted]


_A, _B = _at(TAUS_S, [a for a, _ in DIFFERENCES_S]), _at(TAUS_S, [b for _, b in DIFFERENCES_S])
_Z, _R, _S = _at(TAUS_S, Z_TAUS_S), _at(TAUS_S, SD_RATIO_TAUS_S), _at(TAUS_S, REST_TAUS_S)
_T: Final = [CHANGES.index(name) for name in TONIC]
_TONIC_TAU: Final = TAUS_S.index(300)


class Step(NamedTuple):
    """One sample of each of several streams; `x` (rows, features), NaN where unknown.

    `age_s` (rows,) is the time of unbroken stream, `gap` (rows,): a silence came before it.
    """

    x: Matrix
    age_s: Matrix
    gap: Flags
    contact: Contact


def advance(rows: Matrix, t_s: Matrix, measured_s: Matrix, values: Matrix) -> Step:
    """Take one sample of each stream, in place: `rows` (streams, `WIDTH`), `t_s` (streams,) after the newest of each.

    `measured_s` (streams,) is when it was measured: before `t_s`, if its channels arrive later than others. `values`
    (streams, channels) in bpm, microsiemens and degrees Celsius, NaN for what a sample does not carry.
    """
    newest, origin = rows[:, NEWEST], rows[:, ORIGIN]
    restart = ~(t_s - newest <= GAP_S)
    # A stream that was rewound goes on after a gap, whatever its time.
    origin[:] = np.where(np.isnan(newest), np.where(rows[:, SECOND] < 0, t_s, t_s - rows[:, SECOND] - GAP_S - 1), origin)
    rows[:, START] = np.where(restart, t_s, rows[:, START])
    newest[:] = t_s
    second = np.floor(t_s - origin + 0.5)
    bad, stuck = take_contact(rows, measured_s, values)
    # What is stuck may yet be true, and stays in the means; what has no contact never was.
    values = np.where(bad, nan, values)
    closed = second != rows[:, SECOND]
    rows[:, SECOND] = second
    here = ~np.isnan(values)
    total, count = rows[:, SUM], rows[:, COUNT]
    total[closed] = count[closed] = 0.0
    total += np.where(here, values, 0.0)
    count += here
    base = rows[:, BASE]
    base[closed] = rows[closed, OPEN]
    now = stepped(base, second, np.where(count > 0, total / np.maximum(count, 1.0), nan))
    rows[:, OPEN] = now
    silent_s = second[:, None] - PART.get(now, "seen")
    missing = ~(silent_s <= WINDOW_S)
    contact = Contact(missing & ~bad, stuck & ~missing, bad)
    return Step(_features(now, stuck | ~(silent_s <= KNOWN_S)), t_s - rows[:, START], rows[:, START] > origin, contact)


def _features(part: Matrix, unknown: Flags) -> Matrix:
    mean, sd = PART.get(part, "mean"), np.sqrt(PART.get(part, "variance"))
    change, rest = PART.get(part, "change"), PART.get(part, "rest")
    base, base_sd = mean[:, :, BASELINE, None], sd[:, :, BASELINE]
    reach = PART.get(part, "peak") - rest
    lift = mean[:, : len(_RANGE_FLOORS), _S] - rest[:, :, None]
    # math.exp as math.log in `moments`: the same bits for any number of rows.
    tonic = np.array([exp(each) for each in mean[:, EDA, _TONIC_TAU].tolist()])
    short = len(SHORT_TAUS_S)
    x = (
        mean[:, :, _A] - mean[:, :, _B],
        (mean[:, :, _Z] - base) / np.maximum(base_sd, SD_FLOORS)[:, :, None],
        sd[:, :, _Z],
        sd[:, :, _R] / np.maximum(base_sd, _SD_RATIO_FLOORS)[:, :, None],
        lift,
        lift / np.maximum(reach, _RANGE_FLOORS)[:, :, None],
        reach,
        change[:, :, :4],
        (change[:, :, :short] + _CHANGE_FLOOR) / (change[:, :, -1:] + _CHANGE_FLOOR),
        change[:, _T, :short] / np.maximum(tonic, TONIC_FLOOR_US)[:, None, None],
    )
    found = np.concatenate([each.reshape(len(part), -1) for each in x], 1)
    if unknown.any():
        found[unknown[:, _CHANNEL]] = nan
    return found
