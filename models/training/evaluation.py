"""What an artefact makes of a labelled recording, through the code that serves live readings."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.features.extraction import FeatureState
from models.recordings import Recording, read_recordings
from models.serving.artefact import sha256_of
from models.serving.card import AlertFigures, Scores
from models.serving.levels import may_alert
from models.serving.predictor import Prediction, Predictor, Reading
from models.training.alert_scores import figures, run, timelines
from models.training.dataset import UNLABELLED
from models.training.scores import scores_of

Labels = NDArray[np.int64]


class Evaluation(msgspec.Struct, frozen=True):
    """The figures of an artefact on a recording; `seen_in_training`: it was trained on this file, so they flatter."""

    model_version: str
    seen_in_training: bool
    scores: Scores
    alerts: AlertFigures


def evaluate(recordings_path: Path, predictor: Predictor, progress: Callable[[str], None]) -> Evaluation:
    """Score a labelled recording.

    Raises RecordingError for the file, ModelError where labels of either kind are missing.
    """
    recordings = read_recordings(recordings_path)
    progress(f"{len(recordings)} recordings")
    rows = [row for recording in recordings for row in recording.rows]
    y = np.array([UNLABELLED if row.label is None else row.label for row in rows], dtype=np.int64)
    told = y != UNLABELLED
    if len(np.unique(y[told])) < 2:
        raise ModelError(f"{recordings_path}: rows with label 0 and rows with label 1 are needed")
    predictions = _score(predictor, recordings)
    return Evaluation(
        predictor.version,
        sha256_of(recordings_path) == predictor.trained_on_sha256,
        _scores(y, predictions, np.array([row.subject for row in rows])),
        _alerts(predictor, y, predictions, recordings),
    )


def _score(predictor: Predictor, recordings: Sequence[Recording]) -> list[Prediction]:
    readings = [
        Reading(state, row.t_s, row.hr, row.temp, row.eda)
        for state, recording in ((FeatureState(), recording) for recording in recordings)
        for row in recording.rows
    ]
    return predictor.score(readings)


def _scores(y: Labels, predictions: Sequence[Prediction], person: NDArray[np.str_]) -> Scores:
    told = y != UNLABELLED
    p = np.array([prediction.probability for prediction in predictions])
    level = np.array([prediction.level for prediction in predictions])
    return scores_of(y[told], p[told], person[told], level[told] != "normal", level[told] == "high_stress")


def _alerts(
    predictor: Predictor, y: Labels, predictions: Sequence[Prediction], recordings: Sequence[Recording]
) -> AlertFigures:
    rows = [(number, row) for number, recording in enumerate(recordings) for row in recording.rows]
    lines = timelines(
        np.array([row.subject for _, row in rows]),
        np.array([number for number, _ in rows]),
        np.array([row.t_s for _, row in rows]),
        np.array([prediction.probability for prediction in predictions]),
        y,
        np.array([may_alert(prediction.quality) for prediction in predictions]),
    )
    return figures([run(predictor.policy, line) for line in own] for own in lines.values())
