"""Prior, warm-up, quality and level of a probability, the same in training and serving."""

from collections.abc import Iterable
from typing import Final, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from broker.contract import Quality, StressLevel
from models.features.extraction import Step
from models.features.moments import EDA, HR, TEMP, Flags, Matrix

WARM_UP_S: Final = 60.0
"""Before its means hold this many seconds, a stream says little about a person."""
FLAGS: Final[tuple[Quality, ...]] = tuple(name for name in get_args(Quality) if name != "clock_unsynced")
"""The flags of `quality` that come from the features; `clock_unsynced` comes from ingest."""
NO_ALERT: Final[frozenset[str]] = frozenset(
    ("warming_up", "no_hr", "no_eda", "low_eda", "off_skin", "frozen_hr", "frozen_eda")
)
"""A reading with one of these may lower what an alert rests on, and never raises one."""
_BITS: Final = 1 << np.arange(len(FLAGS))


class Thresholds(NamedTuple):
    """From t1 a probability is `elevated`, from t2 `high_stress`."""

    t1: float
    t2: float


def flags_of(step: Step) -> NDArray[np.int64]:
    """Return the quality of each reading, (rows,), one bit for each of `FLAGS`: warm-up, missing or stuck sensors."""
    missing, frozen, bad = step.contact
    warming = step.age_s < WARM_UP_S
    columns: dict[Quality, Flags] = {
        "warming_up": warming,
        "gap": warming & step.gap,
        "no_hr": missing[:, HR],
        "no_temp": missing[:, TEMP],
        "no_eda": missing[:, EDA],
        "low_eda": bad[:, EDA],
        "off_skin": bad[:, TEMP],
        "frozen_hr": frozen[:, HR],
        "frozen_temp": frozen[:, TEMP],
        "frozen_eda": frozen[:, EDA],
    }
    bits: NDArray[np.int64] = np.stack([columns[name] for name in FLAGS], 1) @ _BITS
    return bits


def named(flags: int) -> tuple[Quality, ...]:
    """Return the names of one reading's flags."""
    return tuple(name for bit, name in enumerate(FLAGS) if flags >> bit & 1)


def may_alert(quality: Iterable[str]) -> bool:
    """Return True if a reading of this quality may raise an alert."""
    return NO_ALERT.isdisjoint(quality)


_NO_ALERT_BITS: Final = sum(1 << bit for bit, name in enumerate(FLAGS) if name in NO_ALERT)


def may_alert_rows(flags: NDArray[np.int64]) -> Flags:
    """Return `may_alert` of many readings' flags, of shape (rows,)."""
    allowed: Flags = flags & _NO_ALERT_BITS == 0
    return allowed


def log_odds(p: float) -> float:
    """Return ln(p / (1 - p)) for 0 < p < 1."""
    return float(np.log(p / (1 - p)))


def sigmoid(scores: Matrix) -> Matrix:
    """Return the probabilities of log-odds, element by element."""
    p: Matrix = 1 / (1 + np.exp(-scores))
    return p


def probabilities(scores: Matrix, age_s: Matrix, prior: float) -> Matrix:
    """Return the probabilities of calibrated log-odds, (rows,), drawn towards the prior until the warm-up is over."""
    p = sigmoid(scores)
    shrunk: Matrix = prior + (p - prior) * np.minimum(age_s / WARM_UP_S, 1.0)
    return shrunk


def level_of(p: float, age_s: float, thresholds: Thresholds) -> StressLevel:
    """Return `normal` below t1 and while warming up, `elevated` below t2, else `high_stress`."""
    if p < thresholds.t1 or age_s < WARM_UP_S:
        return "normal"
    return "elevated" if p < thresholds.t2 else "high_stress"
