"""The classifier: gradient-boosted trees, one or the average of several. The one module that imports scikit-learn.

What raises the probability is constrained to physiology where that is beyond doubt: a higher heart rate or skin
conductance than one's own baseline, and more or larger SCRs, never speak against stress. The constraint costs nothing
within the data, and it decides what happens beyond them.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import (  # type: ignore[import-untyped]
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
)
from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.features import FEATURES
from models.inference import Matrix, Member

Labels = NDArray[np.int64]

SEEDS: Final = (1,)
"""One member for each. Three scored as one did, out of fold (ROC-AUC .7526 and .7530), at three times the latency."""
SPLIT_SEED: Final = 0
RISING: Final = frozenset(
    (
        "hr_30_baseline",
        "hr_60_baseline",
        "eda_60_baseline",
        "hr_60_z",
        "eda_60_z",
        "hr_60_300",
        "eda_60_300",
        "scr_60_count",
        "scr_60_amplitude",
    )
)
SETTINGS: Final[dict[str, Any]] = {
    "max_iter": 100,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 200,
    "max_bins": 64,
    "max_features": 0.4,
    "l2_regularization": 10.0,
    "early_stopping": False,
}


def fit_members(x: Matrix, y: Labels, weight: Matrix) -> list[Member]:
    """Fit one classifier for each seed, on one thread; `x` of shape (rows, features), NaN where unknown."""
    rising = [int(name in RISING) for name in FEATURES]
    with threadpool_limits(1, "openmp"):
        return [
            HistGradientBoostingClassifier(random_state=seed, monotonic_cst=rising, **SETTINGS).fit(
                x, y, sample_weight=weight
            )
            for seed in SEEDS
        ]


def fit_sigmoid(scores: Matrix, y: Labels) -> tuple[float, float]:
    """Slope and offset of the probability as a sigmoid of the score (J. Platt, 1999)."""
    fitted = LogisticRegression(C=1e6).fit(scores.reshape(-1, 1), y)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def person_folds(people: NDArray[np.str_], count: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Row numbers for training and testing; nobody is on both sides."""
    count = min(count, len(np.unique(people)))
    yield from GroupKFold(count, shuffle=True, random_state=SPLIT_SEED).split(people, groups=people)


def roc_auc(y: Labels, p: Matrix) -> float:
    """The area under the ROC curve; both classes must be there."""
    return float(roc_auc_score(y, p))


def pr_auc(y: Labels, p: Matrix) -> float:
    """Average precision."""
    return float(average_precision_score(y, p))


def balanced_accuracy(y: Labels, said: Labels) -> float:
    """The mean of sensitivity and specificity."""
    return float(balanced_accuracy_score(y, said))


def macro_f1(y: Labels, said: Labels) -> float:
    """The mean F1 of the two classes."""
    return float(f1_score(y, said, average="macro"))
