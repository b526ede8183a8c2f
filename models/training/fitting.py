"""Fitting: trees, calibration and thresholds, and out-of-fold predictions (folds by person) for every row."""

from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.features.moments import Flags, Matrix
from models.serving.forest import Evaluator, Forest
from models.serving.levels import WARM_UP_S, Thresholds, probabilities
from models.training import estimator
from models.training.dataset import Dataset, without
from models.training.estimator import Labels
from models.training.progress import Steps
from models.training.workers import Workers

FOLDS: Final = 5
FIT_STEPS: Final = FOLDS + 1
STRIDE: Final = 5
"""Neighbouring seconds share most of their means: every fifth row teaches as much as all."""
LOST: Final = (("hr",), ("temp",), ("eda",), ("hr", "temp"), ("temp", "eda"))
"""Sensors without contact that the model is taught to do without."""
BLANK_STRIDE: Final = 5
"""One in so many rows is used a second time, with the sensors of one of `LOST` masked, each in turn."""
BLANK_WEIGHT: Final = 0.5
T1_STEPS: Final = np.arange(0.05, 0.60, 0.005)
T2_STEPS: Final = np.arange(0.50, 0.90, 0.01)
T2_PRECISION: Final = 0.65
T2_EXERCISE: Final = 0.15
T2_SHARE: Final = 0.01


class Calibration(NamedTuple):
    """From a score to what is said: slope and offset of the log-odds, thresholds, the share of stress in the data."""

    slope: float
    offset: float
    thresholds: Thresholds
    prior: float


class Decision(NamedTuple):
    """Probabilities and levels of rows, as they would have been served."""

    p: Matrix
    stressed: Flags
    high: Flags

    def take(self, rows: NDArray[np.bool_]) -> "Decision":
        """Some of the rows."""
        return Decision(*[column[rows] for column in self])  # type: ignore[arg-type]


class Fit(NamedTuple):
    """A fitted model, and out of fold for each row of its data: raw score and what would have been served.

    `decision` is calibrated on the other folds' people; `fold` says which rows were held out together,
    `evaluators` are the folds' own. `lost` is the ROC-AUC where sensors have no contact.
    """

    forest: Forest
    calibration: Calibration
    raw: Matrix
    decision: Decision
    fold: Labels
    evaluators: list[Evaluator]
    lost: dict[str, float]


class _Part(NamedTuple):
    """A forest fitted to some rows, and its scores of the rows that were held out: as they are, and for each of `LOST`."""

    forest: Forest
    scores: Matrix
    blank: list[Matrix]


def fit(data: Dataset, steps: Steps, workers: Workers) -> Fit:
    """Fit to the rows of `data` that teach. Raises ModelError if fewer than `FOLDS` people show both labels."""
    _check_people(data)
    folds = list(estimator.person_folds(data.person, FOLDS))
    everything = np.arange(len(data.y)), np.zeros(0, dtype=np.intp)
    *held_out, final = workers.run(
        (partial(_fit_part, data, train, test) for train, test in [*folds, everything]),
        lambda number: steps.begin(f"fold {number + 1} of {FOLDS}" if number < FOLDS else "the final model"),
    )
    raw, fold = np.zeros(len(data.y)), np.zeros(len(data.y), dtype=np.int64)
    blank = {lost: np.zeros(len(data.y)) for lost in LOST}
    for number, ((_, test), part) in enumerate(zip(folds, held_out, strict=True)):
        raw[test], fold[test] = part.scores, number
        for column, scores in zip(blank.values(), part.blank, strict=True):
            column[test] = scores
    labelled_rows = data.labelled
    return Fit(
        final.forest,
        calibrate(data, raw),
        raw,
        _held_out(data, raw, fold),
        fold,
        [Evaluator(part.forest) for part in held_out],
        {
            " and ".join(lost): estimator.roc_auc(data.y[labelled_rows], scores[labelled_rows])
            for lost, scores in blank.items()
        },
    )


def decide(raw: Matrix, age_s: Matrix, calibration: Calibration) -> Decision:
    """Return what would be served for raw scores (rows,): the rules of `levels`, for whole columns."""
    p = probabilities(calibration.slope * raw + calibration.offset, age_s, calibration.prior)
    warm = age_s >= WARM_UP_S
    return Decision(p, warm & (p >= calibration.thresholds.t1), warm & (p >= calibration.thresholds.t2))


def calibrate(data: Dataset, raw: Matrix) -> Calibration:
    """Calibration and thresholds from scores of people that whatever scored them has not seen."""
    labelled_rows, effort = data.labelled, data.exercising
    y, age_s = data.y[labelled_rows], data.age_s[labelled_rows]
    prior = float(y.mean())
    slope, offset = estimator.fit_sigmoid(raw[labelled_rows], y)
    p = probabilities(slope * raw + offset, data.age_s, prior)
    warm = age_s >= WARM_UP_S
    return Calibration(slope, offset, choose_thresholds(y[warm], p[labelled_rows][warm], p[effort]), prior)


def choose_thresholds(y: Labels, p: Matrix, exercise: Matrix) -> Thresholds:
    """t1: the best balanced accuracy. t2: the lowest from .5 on above which `T2_PRECISION` of the rows are stress.

    And no more than `T2_EXERCISE` of the seconds of exercise are above it, whose probabilities are `exercise`. Where no t2
    is like that on at least `T2_SHARE` of the rows, the most precise one.
    """
    t1 = max(T1_STEPS, key=lambda t: _balanced(y, p >= t))
    above = [(float(t), float(y[p >= t].mean())) for t in T2_STEPS if t > t1 and (p >= t).mean() >= T2_SHARE]
    good = [t for t, precision in above if precision >= T2_PRECISION and _share(exercise, t) <= T2_EXERCISE]
    most = max(above, key=lambda pair: pair[1], default=(max(float(t1) + 0.05, 0.5), 0.0))[0]
    return Thresholds(round(float(t1), 3), round(good[0] if good else most, 3))


def _share(p: Matrix, threshold: float) -> float:
    return float((p >= threshold).mean()) if len(p) else 0.0


def _check_people(data: Dataset) -> None:
    both = [who for who in np.unique(data.person) if {0, 1} <= set(data.y[data.person == who].tolist())]
    if len(both) < FOLDS:
        raise ModelError(f"{len(both)} people have rows of label 0 and of label 1; at least {FOLDS} are needed to train")


def _held_out(data: Dataset, raw: Matrix, fold: Labels) -> Decision:
    found = Decision(np.zeros(len(raw)), np.zeros(len(raw), dtype=np.bool_), np.zeros(len(raw), dtype=np.bool_))
    for held in np.unique(fold):
        others, rows = fold != held, fold == held
        predicted = decide(raw[rows], data.age_s[rows], calibrate(data.take(others), raw[others]))
        for column, values in zip(found, predicted, strict=True):
            column[rows] = values
    return found


def _fit_part(data: Dataset, train: NDArray[np.intp], test: NDArray[np.intp]) -> _Part:
    forest, x = _forest(data, train), data.x[test]
    evaluator = Evaluator(forest)
    return _Part(forest, evaluator.scores(x), [evaluator.scores(without(x, *lost)) for lost in LOST])


def _forest(data: Dataset, rows: NDArray[np.intp]) -> Forest:
    rows = rows[data.teaches[rows] > 0][::STRIDE]
    x, y, weight = data.x[rows], (data.y[rows] == 1).astype(np.int64), data.teaches[rows]
    every = BLANK_STRIDE * len(LOST)
    blank = [without(x[first * BLANK_STRIDE :: every], *lost) for first, lost in enumerate(LOST)]
    blank_y = [y[first * BLANK_STRIDE :: every] for first in range(len(LOST))]
    blank_weight = [weight[first * BLANK_STRIDE :: every] * BLANK_WEIGHT for first in range(len(LOST))]
    return estimator.fit_forest(
        np.concatenate([x, *blank]), np.concatenate([y, *blank_y]), np.concatenate([weight, *blank_weight])
    )


def _balanced(y: Labels, predicted: Flags) -> float:
    return float(predicted[y == 1].mean() - predicted[y == 0].mean())
