"""Figures of labelled probabilities, together and by person."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from models import estimator
from models.card import Scores, Spread
from models.estimator import Labels
from models.inference import Matrix

BINS: Final = 10
MIN_ROWS: Final = 30
"""A person with fewer rows of either label says nothing about the spread."""


def scores_of(
    y: Labels, p: Matrix, person: NDArray[np.str_], stressed: NDArray[np.bool_], high: NDArray[np.bool_]
) -> Scores:
    """The figures; `stressed` says which rows are above `normal`, `high` which are `high_stress`. All of shape (rows,)."""
    elevated = stressed & ~high
    said = stressed.astype(np.int64)
    auc, accuracy = _by_person(y, p, person, said)
    return Scores(
        rows=len(y),
        people=len(np.unique(person)),
        stress_share=float(y.mean()),
        roc_auc=estimator.roc_auc(y, p),
        pr_auc=estimator.pr_auc(y, p),
        balanced_accuracy=estimator.balanced_accuracy(y, said),
        macro_f1=estimator.macro_f1(y, said),
        ece=calibration_error(y, p),
        highest_p=float(p.max()),
        share_elevated=float(elevated.mean()),
        share_high_stress=float(high.mean()),
        precision_elevated=float(y[elevated].mean()) if elevated.any() else None,
        precision_high_stress=float(y[high].mean()) if high.any() else None,
        roc_auc_by_person=_spread(auc),
        balanced_accuracy_by_person=_spread(accuracy),
    )


def calibration_error(y: Labels, p: Matrix) -> float:
    """Expected calibration error over ten bins of equal width, 0-1."""
    which = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    wrong = [abs(float(y[which == b].sum()) - float(p[which == b].sum())) for b in range(BINS)]
    return sum(wrong) / len(y)


def _by_person(y: Labels, p: Matrix, person: NDArray[np.str_], said: Labels) -> tuple[list[float], list[float]]:
    auc: list[float] = []
    accuracy: list[float] = []
    for name in np.unique(person):
        rows = person == name
        stress = int(y[rows].sum())
        if min(stress, int(rows.sum()) - stress) >= MIN_ROWS:
            auc.append(estimator.roc_auc(y[rows], p[rows]))
            accuracy.append(estimator.balanced_accuracy(y[rows], said[rows]))
    return auc, accuracy


def _spread(values: list[float]) -> Spread:
    if not values:
        return Spread(0, 0.0, 0.0, 0.0, 0.0)
    return Spread(len(values), float(np.mean(values)), float(np.std(values)), min(values), max(values))
