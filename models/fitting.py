"""Fitting: members, calibration and thresholds, and for every row what a model says that never saw its person."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models import estimator
from models.dataset import Dataset, without
from models.decision import WARM_UP_S, shrink
from models.errors import ModelError
from models.estimator import Labels
from models.features import CHANNELS
from models.inference import Matrix, Member, raw_scores, sigmoid

FOLDS: Final = 5
STRIDE: Final = 5
"""Neighbouring seconds share their windows: every fifth row teaches as much as all."""
BLANK_STRIDE: Final = 5
"""Every so manieth of those is taught a second time with a sensor without contact, each sensor in turn."""
BLANK_WEIGHT: Final = 0.5
T1_STEPS: Final = np.arange(0.05, 0.60, 0.005)
T2_STEPS: Final = np.arange(0.50, 0.90, 0.01)
T2_PRECISION: Final = 0.65
T2_SHARE: Final = 0.01


class Thresholds(NamedTuple):
    """From t1 a probability is `elevated`, from t2 `high_stress`."""

    t1: float
    t2: float


class Fit(NamedTuple):
    """A fitted model, and out of fold for each row of its data: raw score, probability and levels.

    Calibration, thresholds and prior behind `p`, `stressed` and `high` come from the other folds' people; `fold` says
    which rows were held out together. `prior` is the share of stress among the labelled rows; `without` the ROC-AUC
    where one sensor has no contact.
    """

    members: list[Member]
    calibration: tuple[float, float]
    thresholds: Thresholds
    prior: float
    raw: Matrix
    p: Matrix
    stressed: NDArray[np.bool_]
    high: NDArray[np.bool_]
    fold: Labels
    without: dict[str, float]


class Decision(NamedTuple):
    """Probabilities and levels of rows, as they would have been served."""

    p: Matrix
    stressed: NDArray[np.bool_]
    high: NDArray[np.bool_]


def fit(data: Dataset, progress: Callable[[str], None]) -> Fit:
    """Fit to the labelled rows of `data`. Raises ModelError if fewer than `FOLDS` people show both labels."""
    _check_people(data)
    raw, fold, blank = _out_of_fold(data, progress)
    told = data.labelled
    alone = {channel: estimator.roc_auc(data.y[told], scores[told]) for channel, scores in blank.items()}
    p = np.zeros(len(raw))
    stressed, high = np.zeros(len(raw), dtype=np.bool_), np.zeros(len(raw), dtype=np.bool_)
    for held in np.unique(fold):
        others, rows = fold != held, fold == held
        p[rows], stressed[rows], high[rows] = decide(
            raw[rows], data.age_s[rows], *_calibrate(data.take(others), raw[others])
        )
    progress("fitting the final model")
    calibration, thresholds, prior = _calibrate(data, raw)
    return Fit(_members(data), calibration, thresholds, prior, raw, p, stressed, high, fold, alone)


def decide(raw: Matrix, age_s: Matrix, calibration: tuple[float, float], thresholds: Thresholds, prior: float) -> Decision:
    """What is served for raw scores: the rules of `decision`, for whole columns."""
    p = _shrunk(raw, age_s, calibration, prior)
    usable = age_s >= WARM_UP_S
    return Decision(p, usable & (p >= thresholds.t1), usable & (p >= thresholds.t2))


def choose_thresholds(y: Labels, p: Matrix) -> Thresholds:
    """t1: the best balanced accuracy. t2: the lowest from .5 on above which `T2_PRECISION` of the rows are stress.

    Where no t2 is that precise on at least `T2_SHARE` of the rows, the most precise one.
    """
    t1 = max(T1_STEPS, key=lambda t: _balanced(y, p >= t))
    above = [(float(t), y[p >= t]) for t in T2_STEPS if t > t1 and (p >= t).mean() >= T2_SHARE]
    precise = [t for t, rows in above if rows.mean() >= T2_PRECISION]
    most = max(above, key=lambda pair: float(pair[1].mean()), default=(max(float(t1) + 0.05, 0.5), y))[0]
    return Thresholds(round(float(t1), 3), round(precise[0] if precise else most, 3))


def _check_people(data: Dataset) -> None:
    both = [who for who in np.unique(data.person) if {0, 1} <= set(data.y[data.person == who].tolist())]
    if len(both) < FOLDS:
        raise ModelError(f"{len(both)} people have rows of label 0 and of label 1; at least {FOLDS} are needed to train")


def _out_of_fold(data: Dataset, progress: Callable[[str], None]) -> tuple[Matrix, Labels, dict[str, Matrix]]:
    """Raw scores of every row by members that never saw its person, its fold, and its scores without each channel."""
    raw, fold = np.zeros(len(data.y)), np.zeros(len(data.y), dtype=np.int64)
    blank = {channel: np.zeros(len(data.y)) for channel in CHANNELS}
    for number, (train, test) in enumerate(estimator.person_folds(data.person, FOLDS)):
        progress(f"fold {number + 1} of {FOLDS}")
        members = _members(data.take(train))
        raw[test], fold[test] = raw_scores(members, data.x[test]), number
        for channel, scores in blank.items():
            scores[test] = raw_scores(members, without(data.x[test], channel))
    return raw, fold, blank


def _members(data: Dataset) -> list[Member]:
    told = data.take(data.labelled)
    x, y = told.x[::STRIDE], told.y[::STRIDE]
    blanks = [without(x[first :: BLANK_STRIDE * 3], channel) for first, channel in enumerate(CHANNELS)]
    blank_y = [y[first :: BLANK_STRIDE * 3] for first in range(len(CHANNELS))]
    weight = np.concatenate([np.ones(len(y)), np.full(sum(map(len, blank_y)), BLANK_WEIGHT)])
    return estimator.fit_members(np.concatenate([x, *blanks]), np.concatenate([y, *blank_y]), weight)


def _calibrate(data: Dataset, raw: Matrix) -> tuple[tuple[float, float], Thresholds, float]:
    told = data.labelled
    y, age_s = data.y[told], data.age_s[told]
    prior = float(y.mean())
    calibration = estimator.fit_sigmoid(raw[told], y)
    return calibration, choose_thresholds(y, _shrunk(raw[told], age_s, calibration, prior)), prior


def _shrunk(raw: Matrix, age_s: Matrix, calibration: tuple[float, float], prior: float) -> Matrix:
    p = sigmoid(raw, calibration)
    return np.array([shrink(*pair, prior) for pair in zip(p.tolist(), age_s.tolist(), strict=True)])


def _balanced(y: Labels, said: NDArray[np.bool_]) -> float:
    return float(said[y == 1].mean() - said[y == 0].mean())
