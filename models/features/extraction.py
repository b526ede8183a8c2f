"""The features of a stream of heart rate, skin temperature and skin conductance, one sample at a time.

Training, offline prediction and live serving run this one implementation, over the rows of as many streams at once as
there are. It is causal: a feature knows the samples up to now and nothing else. No feature knows the time since the start
(in a laboratory that predicts the protocol, not the stress); levels are taken against the person's own running baseline.

Every second is one bucket, the mean of its samples; each value is the median of a channel's newest three buckets, so that
one wild second moves nothing. A sensor that is not on the skin counts as one without contact; of one that is stuck the
features are unknown until it moves.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, isnan, nan
from typing import Final, NamedTuple

import numpy as np

from models.features.moments import (
    BASELINE,
    CHANGE_TAUS_S,
    CHANGES,
    CHANNELS,
    EDA,
    GAP_S,
    HR,
    PART,
    TAUS_S,
    TEMP,
    Flags,
    Matrix,
    empty_part,
    stepped,
)

_DIFFERENCES: Final = (
    (3, 30),
    (10, 60),
    (20, 120),
    (30, 300),
    (60, 300),
    (60, 600),
    (10, 300),
    (30, 1200),
    (60, 1200),
    (120, 1200),
    (300, 1200),
)
_Z_TAUS_S: Final = (10, 30, 60, 120, 300)
_SD_RATIO_TAUS_S: Final = (30, 60)
_REST_TAUS_S: Final = (10, 30, 60, 120)
_SHORT_TAUS_S: Final = CHANGE_TAUS_S[:3]
_TONIC: Final = ("eda_change", "eda_rise", "scr_amplitude")


def _names() -> list[str]:
    names = [f"{channel}_{a}_{b}" for channel in CHANNELS for a, b in _DIFFERENCES]
    names += [f"{channel}_z_{tau}" for channel in CHANNELS for tau in _Z_TAUS_S]
    names += [f"{channel}_sd_{tau}" for channel in CHANNELS for tau in _Z_TAUS_S]
    names += [f"{channel}_sd_ratio_{tau}" for channel in CHANNELS for tau in _SD_RATIO_TAUS_S]
    names += [f"{channel}_{kind}_{tau}" for kind in ("rest", "place") for channel in CHANNELS[:2] for tau in _REST_TAUS_S]
    names += [f"{channel}_range" for channel in CHANNELS[:2]]
    names += [f"{change}_{tau}" for change in CHANGES for tau in CHANGE_TAUS_S[:4]]
    names += [f"{change}_ratio_{tau}" for change in CHANGES for tau in _SHORT_TAUS_S]
    names += [f"{change}_tonic_{tau}" for change in _TONIC for tau in _SHORT_TAUS_S]
    return names


FEATURES: Final = tuple(_names())
"""By suffix, with the time constants in seconds; skin conductance as its natural logarithm unless it says otherwise:

* `_A_B` mean over A minus mean over B; `_z_A` mean minus baseline, in standard deviations of the baseline;
* `_sd_A` standard deviation; `_sd_ratio_A` the same over that of the baseline;
* `_rest_A` mean over the level of rest; `_place_A` where that stands between rest and peak; `_range` peak minus rest;
* of a change (see `CHANGES`): `_A` its mean, `_ratio_A` that over its baseline, `_tonic_A` that over the tonic EDA.
"""

SD_FLOORS: Final = np.array([3.0, 0.1, 0.1])
"""The least spread of a baseline of heart rate (bpm), ln EDA and temperature (degrees Celsius)."""
_SD_RATIO_FLOORS: Final = np.array([0.5, 0.02, 0.02])
_RANGE_FLOORS: Final = np.array([4.0, 0.15])
_CHANGE_FLOOR: Final = 1e-4
TONIC_FLOOR_US: Final = 0.05
KNOWN_S: Final = 10
"""A channel that said nothing for longer is unknown."""

LOW_EDA_US: Final = 0.05
OFF_SKIN_C: Final = 25.0
FROZEN_S: Final = np.array([120.0, 120.0, 600.0])
"""A heart rate, EDA, temperature that did not change at all for so long comes from a sensor that is stuck."""

_HEADER: Final = 19
_NEWEST, _ORIGIN, _START, _SECOND = range(4)
_SUM, _COUNT, _LAST, _MOVED, _HEARD = (slice(at, at + 3) for at in range(4, _HEADER, 3))
_BASE: Final = slice(_HEADER, _HEADER + PART.width)
_OPEN: Final = slice(_HEADER + PART.width, _HEADER + 2 * PART.width)
WIDTH: Final = _HEADER + 2 * PART.width
"""Numbers in a row; a device takes eight bytes for each."""
_VERSION: Final = 2


def channel_of(feature: str) -> str:
    """The one channel that a feature is made of."""
    prefix = feature.partition("_")[0]
    return prefix if prefix in ("hr", "temp") else "eda"


_CHANNEL: Final = np.array([CHANNELS.index(channel_of(name)) for name in FEATURES])


def _at(taus_s: Sequence[int], wanted: Sequence[int]) -> list[int]:
    return [taus_s.index(tau) for tau in wanted]


_A, _B = _at(TAUS_S, [a for a, _ in _DIFFERENCES]), _at(TAUS_S, [b for _, b in _DIFFERENCES])
_Z, _R, _S = _at(TAUS_S, _Z_TAUS_S), _at(TAUS_S, _SD_RATIO_TAUS_S), _at(TAUS_S, _REST_TAUS_S)
_T: Final = [CHANGES.index(name) for name in _TONIC]
_TONIC_TAU: Final = TAUS_S.index(300)


class Contact(NamedTuple):
    """What is wrong with a sample's channels, each of shape (rows, channels)."""

    missing: Flags
    frozen: Flags
    bad: Flags
    """EDA near zero, a temperature that no skin has."""


class Step(NamedTuple):
    """One sample of each of several streams; `x` (rows, features), NaN where unknown.

    `age_s` (rows,) is the time of unbroken stream, `gap` (rows,): a silence came before it.
    """

    x: Matrix
    age_s: Matrix
    gap: Flags
    contact: Contact


def empty_row() -> Matrix:
    """The state of a stream of which nothing is known, of shape (`WIDTH`,)."""
    row = np.zeros(WIDTH)
    row[_NEWEST] = row[_ORIGIN] = row[_START] = nan
    row[_SECOND] = -1.0
    row[_LAST] = row[_MOVED] = row[_HEARD] = nan
    row[_BASE] = row[_OPEN] = empty_part()
    return row


def advance(rows: Matrix, t_s: Matrix, values: Matrix) -> Step:
    """Take one sample of each stream, in place: `rows` (streams, `WIDTH`), `t_s` (streams,) after the newest of each.

    `values` (streams, channels) in bpm, microsiemens and degrees Celsius, NaN where a sensor has no contact.
    """
    newest, origin = rows[:, _NEWEST], rows[:, _ORIGIN]
    restart = ~(t_s - newest <= GAP_S)
    # A stream that was rewound goes on after a gap, whatever its time.
    origin[:] = np.where(np.isnan(newest), np.where(rows[:, _SECOND] < 0, t_s, t_s - rows[:, _SECOND] - GAP_S - 1), origin)
    rows[:, _START] = np.where(restart, t_s, rows[:, _START])
    newest[:] = t_s
    second = np.floor(t_s - origin + 0.5)
    contact = _contact(rows, t_s, second, values)
    # What is stuck may yet be true, and stays in the means; what has no contact never was.
    values = np.where(contact.bad, nan, values)
    closed = second != rows[:, _SECOND]
    rows[:, _SECOND] = second
    here = ~np.isnan(values)
    total, count = rows[:, _SUM], rows[:, _COUNT]
    total[closed] = count[closed] = 0.0
    total += np.where(here, values, 0.0)
    count += here
    base = rows[:, _BASE]
    base[closed] = rows[closed, _OPEN]
    now = stepped(base, second, np.where(count > 0, total / np.maximum(count, 1.0), nan))
    rows[:, _OPEN] = now
    return Step(_features(now, second, contact.frozen), t_s - rows[:, _START], rows[:, _START] > origin, contact)


def _contact(rows: Matrix, t_s: Matrix, second: Matrix, values: Matrix) -> Contact:
    here = ~np.isnan(values)
    fresh = ~(second[:, None] - rows[:, _HEARD] <= GAP_S)
    moved = here & (fresh | (values != rows[:, _LAST]))
    rows[:, _MOVED] = np.where(moved, t_s[:, None], rows[:, _MOVED])
    rows[:, _LAST] = np.where(here, values, rows[:, _LAST])
    rows[:, _HEARD] = np.where(here, second[:, None], rows[:, _HEARD])
    bad = np.zeros_like(here)
    bad[:, EDA] = values[:, EDA] < LOW_EDA_US
    bad[:, TEMP] = values[:, TEMP] < OFF_SKIN_C
    return Contact(~here, here & ~bad & (t_s[:, None] - rows[:, _MOVED] >= FROZEN_S), bad)


def _features(part: Matrix, second: Matrix, frozen: Flags) -> Matrix:
    mean, sd = PART.get(part, "mean"), np.sqrt(PART.get(part, "variance"))
    change, rest = PART.get(part, "change"), PART.get(part, "rest")
    base, base_sd = mean[:, :, BASELINE, None], sd[:, :, BASELINE]
    reach = PART.get(part, "peak") - rest
    lift = mean[:, : len(_RANGE_FLOORS), _S] - rest[:, :, None]
    # math.exp as in `state`: the same bits for any number of rows.
    tonic = np.array([exp(each) for each in mean[:, EDA, _TONIC_TAU].tolist()])
    short = len(_SHORT_TAUS_S)
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
    unknown = frozen | ~(second[:, None] - PART.get(part, "seen") <= KNOWN_S)
    if unknown.any():
        found[unknown[:, _CHANNEL]] = nan
    return found


class FeatureState:
    """The state of one device's stream: `WIDTH` numbers, whatever the rate and however long it runs."""

    __slots__ = ("row",)

    def __init__(self) -> None:
        self.row = empty_row()

    @property
    def newest_s(self) -> float | None:
        """The time of the newest sample; None before the first."""
        newest = float(self.row[_NEWEST])
        return None if isnan(newest) else newest

    @property
    def age_s(self) -> float:
        """Seconds of unbroken stream since the last silence; 0 before the first sample."""
        newest = self.newest_s
        return 0.0 if newest is None else newest - float(self.row[_START])

    def step(self, t_s: float, hr: float | None, temp: float | None, eda: float | None) -> Step:
        """Take one sample; see `advance_all`."""
        return advance_all([self], [t_s], channel_values([(hr, temp, eda)]))

    def rewind(self) -> None:
        """Begin again at whatever time comes next, earlier ones too; the baselines stay as they were."""
        self.row[_NEWEST] = nan

    def usual(self) -> dict[str, float | None]:
        """The running personal baselines, as people read them: `hr` in bpm with its spread, `eda` in microsiemens."""
        part = self.row[None, _OPEN]
        mean, known = PART.get(part, "mean")[0, :, BASELINE], PART.get(part, "weight")[0, :, BASELINE] > 0
        sd = float(np.sqrt(PART.get(part, "variance")[0, HR, BASELINE]))
        return {
            "hr": round(float(mean[HR]), 2) if known[HR] else None,
            "hr_sd": round(sd, 2) if known[HR] else None,
            "eda": round(exp(mean[EDA]), 4) if known[EDA] else None,
        }

    def copy(self) -> "FeatureState":
        """An independent copy, to be thrown away if a transaction fails."""
        twin = FeatureState.__new__(FeatureState)
        twin.row = self.row.copy()
        return twin

    def to_bytes(self) -> bytes:
        """A snapshot from which `from_bytes` goes on bit for bit: the version and the row, little-endian."""
        return bytes([_VERSION]) + self.row.astype("<f8").tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "FeatureState":
        """The state that `to_bytes` stored. Raises ValueError for another version's snapshot or a damaged one."""
        if not data or data[0] != _VERSION:
            raise ValueError(f"not a feature snapshot of version {_VERSION}")
        if len(data) != 1 + 8 * WIDTH:
            raise ValueError(f"a feature snapshot of {len(data)} bytes, expected are {1 + 8 * WIDTH}")
        state = cls.__new__(cls)
        state.row = np.frombuffer(data, "<f8", offset=1).astype(np.float64)
        return state


def advance_all(states: Sequence[FeatureState], t_s: Sequence[float], values: Matrix) -> Step:
    """Take samples of any states in their order, many of one state too; one row of the result for each.

    `t_s` in seconds (Unix or of a recording), `values` as in `advance`. Raises ValueError, every state unchanged, for a
    sample that is not after the newest of its state.
    """
    if not states:
        raise ValueError("no samples")
    samples: dict[int, list[int]] = defaultdict(list)
    for at, state in enumerate(states):
        samples[id(state)].append(at)
    # The states with the most samples first: each wave then takes one sample of the first so many states.
    by_state = sorted(samples.values(), key=len, reverse=True)
    rows = np.stack([states[own[0]].row for own in by_state])
    times, order, steps, active = np.array(t_s, dtype=np.float64), [], [], len(by_state)
    _check_times(rows[:, _NEWEST], times, by_state)
    for wave in range(len(by_state[0])):
        while len(by_state[active - 1]) <= wave:
            active -= 1
        now = [own[wave] for own in by_state[:active]]
        order += now
        steps.append(advance(rows[:active], times[now], values[now]))
    for own, row in zip(by_state, rows, strict=True):
        states[own[0]].row[:] = row
    return _ordered(steps, order)


def _check_times(newest: Matrix, t_s: Matrix, by_state: Sequence[Sequence[int]]) -> None:
    """Each state's first sample against its newest one, and every further one against the one before."""
    first = t_s[[own[0] for own in by_state]]
    late = ~(first > np.where(np.isnan(newest), -inf, newest))
    if late.any():
        at = int(late.argmax())
        raise ValueError(f"a sample at {first[at]} is not after the newest at {newest[at]}")
    for own in by_state:
        if len(own) == 1:
            return  # from here on each has one
        for before, after in pairwise(t_s[own].tolist()):
            if not after > before:
                raise ValueError(f"a sample at {after} is not after the newest at {before}")


def _ordered(steps: Sequence[Step], order: Sequence[int]) -> Step:
    """The steps as one, the rows at the places that `order` gives them."""
    if len(steps) == 1:
        return steps[0]  # each state has one sample, in the order of the samples
    place = np.argsort(order)
    contact = [np.concatenate(each)[place] for each in zip(*(step.contact for step in steps), strict=True)]
    return Step(
        np.concatenate([step.x for step in steps])[place],
        np.concatenate([step.age_s for step in steps])[place],
        np.concatenate([step.gap for step in steps])[place],
        Contact(*contact),
    )


def channel_values(samples: Sequence[tuple[float | None, float | None, float | None]]) -> Matrix:
    """Samples (hr, temp, eda) as `advance` takes them, of shape (samples, channels)."""
    return np.array(samples, dtype=np.float64).reshape(-1, 3)[:, [0, 2, 1]]
