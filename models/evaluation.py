"""What an artefact makes of a labelled recording, through the code that serves live readings."""

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.alert_evaluation import figures, run, timelines
from models.artefact import sha256_of
from models.card import AlertFigures, Scores
from models.dataset import UNLABELLED
from models.errors import ModelError
from models.features import FeatureState
from models.metrics import scores_of
from models.predictor import Prediction, Predictor, Reading
from models.recordings import Recording, Row, read_recordings

CHUNK: Final = 4096
Labels = NDArray[np.int64]


class Evaluation(msgspec.Struct, frozen=True):
    """The figures of an artefact on a recording; `seen_in_training`: it was trained on this file, so they flatter."""

    model_version: str
    seen_in_training: bool
    scores: Scores
    alerts: AlertFigures


def evaluate(recordings_path: Path, directory: Path | None, progress: Callable[[str], None]) -> Evaluation:
    """Score a labelled recording with the artefact in `directory` (None: the shipped one).

    Raises RecordingError for the file, ModelError for the artefact or where labels of either kind are missing.
    """
    predictor = Predictor.load(directory)
    recordings = read_recordings(recordings_path)
    rows = [row for recording in recordings for row in recording.rows]
    y = np.array([UNLABELLED if row.label is None else row.label for row in rows], dtype=np.int64)
    told = y != UNLABELLED
    if len(np.unique(y[told])) < 2:
        raise ModelError(f"{recordings_path}: rows with label 0 and rows with label 1 are needed")
    predictions = list(chain.from_iterable(_score(predictor, recording, progress) for recording in recordings))
    return Evaluation(
        predictor.version,
        sha256_of(recordings_path) == predictor.trained_on_sha256,
        _scores(y, predictions, np.array([row.subject for row in rows])),
        _alerts(predictor, y, predictions, rows),
    )


def _score(predictor: Predictor, recording: Recording, progress: Callable[[str], None]) -> list[Prediction]:
    state = FeatureState()
    readings = [Reading(state, row.t_s, row.hr, row.temp, row.eda) for row in recording.rows]
    progress(f"{recording.subject}: {len(readings)} rows")
    chunks = (readings[start : start + CHUNK] for start in range(0, len(readings), CHUNK))
    return [prediction for chunk in chunks for prediction in predictor.score(chunk)]


def _scores(y: Labels, predictions: Sequence[Prediction], person: NDArray[np.str_]) -> Scores:
    told = y != UNLABELLED
    p = np.array([prediction.probability for prediction in predictions])
    level = np.array([prediction.level for prediction in predictions])
    return scores_of(y[told], p[told], person[told], level[told] != "normal", level[told] == "high_stress")


def _alerts(predictor: Predictor, y: Labels, predictions: Sequence[Prediction], rows: Sequence[Row]) -> AlertFigures:
    person = np.array([row.subject for row in rows])
    t_s = np.array([row.t_s for row in rows])
    p = np.array([prediction.probability for prediction in predictions])
    usable = np.array(["warming_up" not in prediction.quality for prediction in predictions])
    return figures(run(predictor.policy, line) for line in timelines(person, t_s, p, y, usable).values())
