"""The classifier: two ensembles of gradient-boosted trees, averaged. The one module that imports scikit-learn.

One sees every feature, the other the ten that were found to carry over from one study to the other. Their mean is better
than either within the data and across studies.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import (  # type: ignore[import-untyped]
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    roc_auc_score,
    roc_curve,
)
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from models.errors import ModelError
from models.features.moments import Inputs, Matrix
from models.features.names import FEATURES
from models.serving.forest import EQUAL_TO, LEAVES, Evaluator, Forest, Node, pack
from models.serving.reasons import GROUP_OF_FEATURE, GROUPS

Labels = NDArray[np.int64]

SPLIT_SEED: Final = 0
ROBUST: Final = (
    "eda_10_60",
    "hr_z_10",
    "hr_place_120",
    "eda_rise_ratio_30",
    "scr_rate_30",
    "ln_eda_rise_30",
    "phasic_up_30",
    "phasic_up_ratio_120",
    "scr_rate_ratio_30",
    "scr_amplitude_tonic_30",
)
_SHARED: Final[dict[str, Any]] = {
    "max_leaf_nodes": LEAVES,
    "max_bins": 64,
    "l2_regularization": 10.0,
    "early_stopping": False,
    "random_state": 1,
}


class Ensemble(NamedTuple):
    """The features and settings of one of the averaged models."""

    features: tuple[str, ...]
    settings: dict[str, Any]


ENSEMBLES: Final = (
    Ensemble(FEATURES, {"max_iter": 150, "learning_rate": 0.06, "min_samples_leaf": 150, "max_features": 0.15, **_SHARED}),
    Ensemble(ROBUST, {"max_iter": 100, "learning_rate": 0.05, "min_samples_leaf": 200, "max_features": 0.6, **_SHARED}),
)


def fit_forest(x: Inputs, y: Labels, weight: Matrix) -> Forest:
    """Fit to `x` of shape (rows, features), NaN where unknown, on one thread.

    Raises ModelError if the forest does not say what scikit-learn's own prediction says on these rows.
    """
    base, trees, predicted = 0.0, [], np.zeros(len(y))
    with threadpool_limits(1, "openmp"):
        for ensemble in ENSEMBLES:
            columns = [FEATURES.index(name) for name in ensemble.features]
            model = HistGradientBoostingClassifier(**ensemble.settings).fit(x[:, columns], y, sample_weight=weight)
            predicted += model.decision_function(x[:, columns]) / len(ENSEMBLES)
            base += float(model._baseline_prediction[0, 0]) / len(ENSEMBLES)
            trees += [_nodes(predictors[0].nodes, columns) for predictors in model._predictors]
    forest = pack(trees, base, GROUP_OF_FEATURE, len(GROUPS))
    wrong = float(np.abs(Evaluator(forest).scores(x) - predicted).max())
    if wrong > EQUAL_TO:
        raise ModelError(f"the trees as arrays differ from scikit-learn's by {wrong:.2g}: is its release another one?")
    return forest


def _nodes(nodes: NDArray[np.void], columns: Sequence[int]) -> list[Node]:
    """One tree of scikit-learn, its values for the mean of the ensembles."""
    return [
        Node(
            bool(node["is_leaf"]),
            float(node["value"]) / len(ENSEMBLES),
            float(node["count"]),
            columns[int(node["feature_idx"])],
            float(node["num_threshold"]),
            bool(node["missing_go_to_left"]),
            int(node["left"]),
            int(node["right"]),
        )
        for node in nodes
    ]


def fit_sigmoid(scores: Matrix, y: Labels) -> tuple[float, float]:
    """Slope and offset of the probability as a sigmoid of the score (J. Platt, 1999)."""
    fitted = LogisticRegression(C=1e6).fit(scores.reshape(-1, 1), y)
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def person_folds(people: NDArray[np.str_], count: int) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Row numbers for training and testing; nobody is on both sides."""
    count = min(count, len(np.unique(people)))
    yield from GroupKFold(count, shuffle=True, random_state=SPLIT_SEED).split(people, groups=people)


def stratified_folds(
    y: Labels, group: NDArray[np.int64], count: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Row numbers for training and testing; no group is on both sides, and both labels are alike on each."""
    fewest = min(len(np.unique(group[y == label])) for label in (0, 1))
    folds = StratifiedGroupKFold(min(count, fewest), shuffle=True, random_state=SPLIT_SEED)
    yield from folds.split(group, y, groups=group)


def roc_auc(y: Labels, p: Matrix) -> float:
    """The area under the ROC curve; both classes must be there."""
    return float(roc_auc_score(y, p))


def roc_points(y: Labels, p: Matrix) -> tuple[Matrix, Matrix]:
    """False and true positive rates of the ROC curve."""
    false, true, _ = roc_curve(y, p)
    return false, true


def pr_auc(y: Labels, p: Matrix) -> float:
    """Average precision."""
    return float(average_precision_score(y, p))


def balanced_accuracy(y: Labels, predicted: Labels) -> float:
    """The mean of sensitivity and specificity."""
    return float(balanced_accuracy_score(y, predicted))


def macro_f1(y: Labels, predicted: Labels) -> float:
    """The mean F1 of the two classes."""
    return float(f1_score(y, predicted, average="macro"))
