"""Recordings as one feature matrix, by the code that serves live readings."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.moments import Flags, Inputs, Matrix
from models.features.names import FEATURES, channel_of
from models.features.state import FeatureState, advance_all, channel_values
from models.recordings import EXERCISE, Recording
from models.serving.levels import flags_of, may_alert_rows

UNLABELLED: Final = -1
NEEDS_LABELS: Final = (
    "rows with label 0 and rows with label 1 are needed, in a column label; an export has none, "
    "and stresswire train --from-db takes the labels that were given in the record"
)
TASK_WEIGHTS: Final = {"hyperventilation": 0.3}
"""A task that is a bodily stressor more than a mental one teaches less."""
EXERCISE_WEIGHT: Final = 0.005
"""The weight in training of a second of exercise. More keeps more cycling out of `high_stress`, and costs ROC-AUC."""


class Dataset(NamedTuple):
    """One row for each sample; `x` has the shape (rows, features), all else (rows,). `y` is 0, 1 or `UNLABELLED`.

    `stream` numbers the recordings. `teaches` is a row's weight in training: a labelled one's, or that of exercise, which
    teaches as not stress and is never scored. `may_alert`: the reading is fit to raise an alert.
    """

    x: Inputs
    y: NDArray[np.int64]
    teaches: Matrix
    person: NDArray[np.str_]
    source: NDArray[np.str_]
    task: NDArray[np.str_]
    stream: NDArray[np.int64]
    t_s: Matrix
    age_s: Matrix
    may_alert: Flags

    def take(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Dataset":
        """Some of the rows."""
        return Dataset(*[column[rows] for column in self])  # type: ignore[arg-type]

    @property
    def labelled(self) -> Flags:
        """The rows that have a label, of shape (rows,)."""
        labelled_rows: Flags = self.y != UNLABELLED
        return labelled_rows

    @property
    def exercising(self) -> Flags:
        """The rows in which the person was exercising, of shape (rows,)."""
        found: Flags = self.task == EXERCISE
        return found


def build_dataset(recordings: Sequence[Recording], exercise: Sequence[Recording] = ()) -> Dataset:
    """Features of every row; rows without a label are there, because means and alerts run through them.

    `exercise` are recordings of effort without stress. Who is in both is one person, of one source.
    """
    every = [*recordings, *exercise]
    rows = [(number, row) for number, recording in enumerate(every) for row in recording.rows]
    states = [FeatureState() for _ in every]
    step = advance_all(
        [states[number] for number, _ in rows],
        [row.t_s for _, row in rows],
        channel_values([(row.hr, row.temp, row.eda) for _, row in rows]),
    )
    source_of = {recording.subject: recording.source for recording in recordings}
    effort = np.array([number >= len(recordings) for number, _ in rows])
    y = np.array([UNLABELLED if row.label is None else row.label for _, row in rows], dtype=np.int64)
    y[effort] = UNLABELLED
    weight = np.array([TASK_WEIGHTS.get(row.task, 1.0) for _, row in rows])
    return Dataset(
        step.x.astype(np.float32),
        y,
        np.where(effort, EXERCISE_WEIGHT, np.where(y == UNLABELLED, 0.0, weight)),
        np.array([row.subject for _, row in rows]),
        np.array([source_of.get(row.subject, row.source) for _, row in rows]),
        np.array([row.task for _, row in rows]),
        np.array([number for number, _ in rows]),
        np.array([row.t_s for _, row in rows], dtype=np.float64),
        step.age_s,
        may_alert_rows(flags_of(step)),
    )


def without(x: Inputs, *channels: str) -> Inputs:
    """A copy with every feature of these of `hr`, `temp` and `eda` unknown, as if the sensors had no contact."""
    blank = x.copy()
    blank[:, [channel_of(name) in channels for name in FEATURES]] = np.nan
    return blank
