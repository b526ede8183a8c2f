"""The state of a stream, and samples of many streams at once."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from math import exp, inf, isnan, nan
from typing import Final

import numpy as np

from broker.contract import RANGES
from models.features.contact import Contact
from models.features.extraction import Step, advance
from models.features.moments import BASELINE, CHANNELS, EDA, HR, PART, Matrix
from models.features.row import HEARD, NEWEST, OPEN, ORIGIN, START, WIDTH, empty_row

SAMPLE_CHANNELS: Final = tuple(RANGES)
"""The channels in the order of a sample: hr, temp, eda."""
_COLUMNS: Final = [SAMPLE_CHANNELS.index(channel) for channel in CHANNELS]
"""From the order of a sample to that of the features. Only here do the two meet: `channel_values` is the way in."""
_VERSION: Final = 2


class FeatureState:
    """The state of one device's stream: `WIDTH` numbers, whatever the rate and however long it runs."""

    __slots__ = ("row",)

    def __init__(self) -> None:
        self.row = empty_row()

    @property
    def newest_s(self) -> float | None:
        """The time of the newest sample; None before the first."""
        newest = float(self.row[NEWEST])
        return None if isnan(newest) else newest

    @property
    def heard_s(self) -> tuple[float, ...]:
        """Time at which the newest value of each of `SAMPLE_CHANNELS` was measured; NaN before the first."""
        heard_s = (self.row[ORIGIN] + self.row[HEARD]).tolist()
        return tuple(heard_s[CHANNELS.index(channel)] for channel in SAMPLE_CHANNELS)

    @property
    def age_s(self) -> float:
        """Seconds of unbroken stream since the last silence; 0 before the first sample."""
        newest = self.newest_s
        return 0.0 if newest is None else newest - float(self.row[START])

    def step(
        self, t_s: float, hr: float | None, temp: float | None, eda: float | None, measured_s: float | None = None
    ) -> Step:
        """Take one sample; see `advance_all`."""
        return advance_all([self], [t_s], channel_values([(hr, temp, eda)]), [measured_s])

    def rewind(self) -> None:
        """Begin again at whatever time comes next, earlier ones too; the baselines stay as they were."""
        self.row[NEWEST] = nan

    def usual(self) -> dict[str, float | None]:
        """The running personal baselines, as people read them: `hr` in bpm with its spread, `eda` in microsiemens."""
        part = self.row[None, OPEN]
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


def advance_all(
    states: Sequence[FeatureState],
    t_s: Sequence[float],
    values: Matrix,
    measured_s: Sequence[float | None] | None = None,
) -> Step:
    """Take samples of any states in their order, many of one state too; one row of the result for each.

    `t_s` in seconds (Unix or of a recording), `values` and `measured_s` as in `advance`; None: measured at `t_s`. Raises
    ValueError, every state unchanged, for a sample that is not after the newest of its state.
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
    measured = times if measured_s is None else _measured(measured_s, times)
    _check_times(rows[:, NEWEST], times, by_state)
    for wave in range(len(by_state[0])):
        while len(by_state[active - 1]) <= wave:
            active -= 1
        now = [own[wave] for own in by_state[:active]]
        order += now
        steps.append(advance(rows[:active], times[now], measured[now], values[now]))
    for own, row in zip(by_state, rows, strict=True):
        states[own[0]].row[:] = row
    return _ordered(steps, order)


def _measured(measured_s: Sequence[float | None], t_s: Matrix) -> Matrix:
    found = np.array(measured_s, dtype=np.float64)
    return np.where(np.isnan(found), t_s, found)


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
    """Return samples, each in the order of `SAMPLE_CHANNELS`, as `advance` takes them: (samples, channels), None as NaN."""
    return np.array(samples, dtype=np.float64).reshape(-1, len(_COLUMNS))[:, _COLUMNS]
