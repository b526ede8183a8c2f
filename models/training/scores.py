"""Figures of labelled probabilities, together and by person."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.features.moments import Flags, Matrix
from models.serving.card import Scores, Spread
from models.training import estimator
from models.training.estimator import Labels

BINS: Final = 10
MIN_ROWS: Final = 30
"""A person with fewer rows of either label says nothing about the spread."""


def scores_of(
    y: Labels, p: Matrix, person: NDArray[np.str_], stressed: NDArray[np.bool_], high: NDArray[np.bool_]
) -> Scores:
    """The figures; `stressed` says which rows are above `normal`, `high` which are `high_stress`. All of shape (rows,)."""
    elevated = stressed & ~high
    predicted = stressed.astype(np.int64)
    people = [person == name for name in people_with_both(y, person)]

    def by_person(figure: Callable[[Flags], float]) -> Spread:
        return spread([figure(rows) for rows in people])

    return Scores(
        rows=len(y),
        people=len(np.unique(person)),
        stress_share=float(y.mean()),
        roc_auc=estimator.roc_auc(y, p),
        pr_auc=estimator.pr_auc(y, p),
        balanced_accuracy=estimator.balanced_accuracy(y, predicted),
        macro_f1=estimator.macro_f1(y, predicted),
        ece=calibration_error(y, p),
        highest_p=float(p.max()),
        share_elevated=float(elevated.mean()),
        share_high_stress=float(high.mean()),
        precision_elevated=float(y[elevated].mean()) if elevated.any() else None,
        precision_high_stress=float(y[high].mean()) if high.any() else None,
        roc_auc_by_person=by_person(lambda rows: estimator.roc_auc(y[rows], p[rows])),
        pr_auc_by_person=by_person(lambda rows: estimator.pr_auc(y[rows], p[rows])),
        balanced_accuracy_by_person=by_person(lambda rows: estimator.balanced_accuracy(y[rows], predicted[rows])),
        macro_f1_by_person=by_person(lambda rows: estimator.macro_f1(y[rows], predicted[rows])),
        ece_by_person=by_person(lambda rows: calibration_error(y[rows], p[rows])),
    )


def calibration_error(y: Labels, p: Matrix) -> float:
    """Expected calibration error over ten bins of equal width, 0-1."""
    predicted, was, share = reliability(y, p)
    return float((share[share > 0] * np.abs(predicted - was)).sum())


def reliability(y: Labels, p: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Mean probability and share of stress in each of the `BINS` that is not empty, and each bin's share of the rows."""
    which = np.minimum((p * BINS).astype(np.int64), BINS - 1)
    rows = np.bincount(which, minlength=BINS)
    some = rows > 0
    predicted = np.bincount(which, p, BINS)[some] / rows[some]
    was = np.bincount(which, y, BINS)[some] / rows[some]
    return predicted, was, rows / len(y)


def people_with_both(y: Labels, person: NDArray[np.str_]) -> list[str]:
    """Return the people with at least `MIN_ROWS` rows of either label."""
    return [
        str(name)
        for name in np.unique(person)
        if min(np.count_nonzero(y[person == name] == label) for label in (0, 1)) >= MIN_ROWS
    ]


def spread(values: Sequence[float]) -> Spread:
    """Return mean, standard deviation, minimum and maximum of one value a person."""
    if not values:
        return Spread(0, 0.0, 0.0, 0.0, 0.0)
    return Spread(len(values), float(np.mean(values)), float(np.std(values)), min(values), max(values))
