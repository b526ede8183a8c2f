"""From features to a probability: the average of the members, calibrated. Needs numpy only.

Prediction runs on the calling thread alone. scikit-learn's `predict_proba` has no argument for that, and its OpenMP threads
wait for each other actively: on a busy machine a single row then takes tens of milliseconds instead of one. So this
calls the method beneath it, which has one; the release is pinned, and checked when a model is loaded.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


class Member(Protocol):
    """A fitted `HistGradientBoostingClassifier` of two classes."""

    def _raw_predict(self, x: Matrix, /, n_threads: int) -> Matrix:
        """Log-odds of stress, of shape (rows, 1)."""


def raw_scores(members: Sequence[Member], x: Matrix) -> Matrix:
    """The members' mean log-odds, uncalibrated; `x` has the shape (rows, features), NaN: unknown; the result (rows,)."""
    total: Matrix = sum((member._raw_predict(x, n_threads=1)[:, 0] for member in members), np.zeros(len(x)))
    return total / len(members)


def sigmoid(scores: Matrix, calibration: tuple[float, float]) -> Matrix:
    """The calibrated probabilities of scores; the calibration is slope and offset."""
    slope, offset = calibration
    p: Matrix = 1 / (1 + np.exp(-(slope * scores + offset)))
    return p
