"""Evaluation of a model on labelled recordings, by the code that serves live readings."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.features.state import FeatureState
from models.recordings import Recording, read_recordings
from models.serving.artefact import sha256_of
from models.serving.card import AlertFigures, Scores
from models.serving.levels import may_alert
from models.serving.predictor import Predictor, Reading
from models.training.alert_scores import figures, run, timelines
from models.training.dataset import NEEDS_LABELS, UNLABELLED
from models.training.scores import scores_of
from models.training.workers import Workers

Labels = NDArray[np.int64]


class Evaluation(msgspec.Struct, frozen=True):
    """The figures of an artefact on a recording; `seen_in_training`: it was trained on this file, so they flatter."""

    model_version: str
    seen_in_training: bool
    scores: Scores
    alerts: AlertFigures


class _Scored(NamedTuple):
    """The predictions of some rows, each of shape (rows,); `usable`: the reading is fit to raise an alert."""

    p: NDArray[np.float64]
    level: NDArray[np.str_]
    usable: NDArray[np.bool_]


def evaluate(
    recordings_path: Path, predictor: Predictor, progress: Callable[[str], None], *, jobs: int | None = None
) -> Evaluation:
    """Score a labelled recording; the same figures for any number of `jobs`.

    Raises RecordingError for the file, ModelError where labels of either kind are missing.
    """
    recordings = read_recordings(recordings_path, progress)
    progress(f"{len(recordings)} recordings")
    rows = [row for recording in recordings for row in recording.rows]
    y = np.array([UNLABELLED if row.label is None else row.label for row in rows], dtype=np.int64)
    labelled_rows = y != UNLABELLED
    if len(np.unique(y[labelled_rows])) < 2:
        raise ModelError(f"{recordings_path}: {NEEDS_LABELS}")
    scored = _score_all(predictor, recordings, Workers(jobs))
    return Evaluation(
        predictor.version,
        sha256_of(recordings_path) == predictor.trained_on_sha256,
        _scores(y, scored, np.array([row.subject for row in rows])),
        _alerts(predictor, y, scored, recordings),
    )


def _score_all(predictor: Predictor, recordings: Sequence[Recording], workers: Workers) -> _Scored:
    """The predictions of all rows in their order. A reading's prediction is the same whatever is predicted beside it."""
    # Many streams at once cost less than the same streams one by one: each worker takes its share of them in one go.
    shares = [range(first, len(recordings), workers.jobs) for first in range(min(workers.jobs, len(recordings)))]
    results = workers.run([partial(_score, predictor, [recordings[number] for number in share]) for share in shares])
    by_number: dict[int, _Scored] = {}
    for share, scored in zip(shares, results, strict=True):
        by_number |= dict(zip(share, scored, strict=True))
    return _Scored(*map(np.concatenate, zip(*(by_number[number] for number in range(len(recordings))), strict=True)))


def _score(predictor: Predictor, recordings: Sequence[Recording]) -> list[_Scored]:
    states = [FeatureState() for _ in recordings]
    predictions = iter(
        predictor.score(
            [
                Reading(state, row.t_s, row.hr, row.temp, row.eda)
                for state, recording in zip(states, recordings, strict=True)
                for row in recording.rows
            ]
        )
    )
    found = []
    for recording in recordings:
        own = list(islice(predictions, len(recording.rows)))
        found.append(
            _Scored(
                np.array([prediction.probability for prediction in own]),
                np.array([prediction.level for prediction in own]),
                np.array([may_alert(prediction.quality) for prediction in own]),
            )
        )
    return found


def _scores(y: Labels, scored: _Scored, person: NDArray[np.str_]) -> Scores:
    labelled_rows = y != UNLABELLED
    level = scored.level[labelled_rows]
    return scores_of(
        y[labelled_rows], scored.p[labelled_rows], person[labelled_rows], level != "normal", level == "high_stress"
    )


def _alerts(predictor: Predictor, y: Labels, scored: _Scored, recordings: Sequence[Recording]) -> AlertFigures:
    rows = [(number, row) for number, recording in enumerate(recordings) for row in recording.rows]
    lines = timelines(
        np.array([row.subject for _, row in rows]),
        np.array([number for number, _ in rows]),
        np.array([row.t_s for _, row in rows]),
        scored.p,
        y,
        scored.usable,
    )
    return figures([run(predictor.policy, line) for line in own] for own in lines.values())
