"""Recordings as one feature matrix, through the very code that serves live readings."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features import FEATURES, FeatureState
from models.recordings import Recording

UNLABELLED = -1


class Dataset(NamedTuple):
    """One row for each sample; `x` has the shape (rows, features), all else (rows,). `y` is 0, 1 or `UNLABELLED`."""

    x: NDArray[np.float64]
    y: NDArray[np.int64]
    person: NDArray[np.str_]
    source: NDArray[np.str_]
    t_s: NDArray[np.float64]
    age_s: NDArray[np.float64]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Dataset":
        """Some of the rows."""
        return Dataset(self.x[rows], self.y[rows], self.person[rows], self.source[rows], self.t_s[rows], self.age_s[rows])

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Which rows have a label."""
        told: NDArray[np.bool_] = self.y != UNLABELLED
        return told


def build_dataset(recordings: Sequence[Recording]) -> Dataset:
    """Features of every row; rows without a label are there, because windows and alerts run through them."""
    x: list[list[float]] = []
    age_s: list[float] = []
    for recording in recordings:
        state = FeatureState()
        for row in recording.rows:
            x.append(state.step(row.t_s, row.hr, row.temp, row.eda))
            age_s.append(state.age_s)
    rows = [row for recording in recordings for row in recording.rows]
    return Dataset(
        np.array(x, dtype=np.float64),
        np.array([UNLABELLED if row.label is None else row.label for row in rows], dtype=np.int64),
        np.array([row.subject for row in rows]),
        np.array([row.source for row in rows]),
        np.array([row.t_s for row in rows], dtype=np.float64),
        np.array(age_s, dtype=np.float64),
    )


def without(x: NDArray[np.float64], channel: str) -> NDArray[np.float64]:
    """A copy with every feature of `hr`, `temp` or `eda` unknown, as if that sensor had no contact."""
    blank = x.copy()
    blank[:, [channel_of(name) == channel for name in FEATURES]] = np.nan
    return blank


def channel_of(feature: str) -> str:
    """The one channel that a feature is made of."""
    prefix = feature.partition("_")[0]
    return prefix if prefix in ("hr", "temp") else "eda"
