"""Predicting whole recordings from a file into a file, row by row as if each had just arrived."""

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from broker.contract import StressLevel
from models.features.state import FeatureState
from models.recordings import RecordingError, Row, read_rows, write_predictions
from models.serving.predictor import Predictor, Reading

CHUNK: Final = 100_000
"""Rows in memory at once. The people among them are predicted side by side, so many rows cost less than few."""


def predict_file(in_path: Path, out_path: Path, predictor: Predictor, progress: Callable[[str], None]) -> int:
    """Write `subject,t,p_stress,level`, one row for each row read, in the same order; returns how many.

    Every subject (and session) has a state of its own; their rows may be mixed. Raises RecordingError for a bad file of
    either kind.
    """
    if out_path.exists() and out_path.samefile(in_path):
        raise RecordingError(f"{out_path}: would overwrite the recording")
    count = write_predictions(out_path, _predict(read_rows(in_path), predictor, progress))
    progress(f"{count} rows written to {out_path}")
    return count


def _predict(
    rows: Iterator[Row], predictor: Predictor, progress: Callable[[str], None]
) -> Iterator[tuple[Row, float, StressLevel]]:
    states: dict[tuple[str, str], FeatureState] = {}
    done = 0
    while chunk := list(islice(rows, CHUNK)):
        readings = [
            Reading(states.setdefault(row.stream, FeatureState()), row.t_s, row.hr, row.temp, row.eda) for row in chunk
        ]
        for row, prediction in zip(chunk, predictor.score(readings), strict=True):
            yield row, prediction.probability, prediction.level
        done += len(chunk)
        progress(f"{done} rows, {len(states)} recordings")
