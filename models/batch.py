"""Predicting whole recordings from a file into a file, row by row as if each had just arrived."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from broker.contract import StressLevel
from models.errors import RecordingError
from models.features.state import FeatureState
from models.left_out import LeftOut
from models.recordings import Row, read_rows, write_predictions
from models.serving.predictor import Prediction, Predictor, Reading

CHUNK: Final = 100_000
"""Rows in memory at once. The people among them are predicted side by side, so many rows cost less than few."""


def predict_file(in_path: Path, out_path: Path, predictor: Predictor, progress: Callable[[str], None]) -> int:
    """Write `subject,t,p_stress,level`, one row for each row read, in the same order; returns how many.

    Every subject (and session) has a state of its own; their rows may be mixed. At the end `progress` gets what was taken
    as no contact. Raises RecordingError for a bad file of either kind.
    """
    if out_path.exists() and out_path.samefile(in_path):
        raise RecordingError(f"{out_path}: would overwrite the recording")
    left_out = LeftOut()
    count = write_predictions(out_path, _predict(read_rows(in_path, left_out), predictor, progress))
    for line in left_out.lines():
        progress(f"{in_path}: {line}")
    progress(f"{count} rows written to {out_path}")
    return count


def _predict(
    rows: Iterator[Row], predictor: Predictor, progress: Callable[[str], None]
) -> Iterator[tuple[Row, float, StressLevel]]:
    states: dict[tuple[str, str], FeatureState] = {}
    newest: dict[tuple[str, str], tuple[float, Prediction]] = {}
    done = 0
    while chunk := list(islice(rows, CHUNK)):
        fresh = _first_at_their_time(chunk, {stream: t_s for stream, (t_s, _) in newest.items()})
        readings = [
            Reading(states.setdefault(row.stream, FeatureState()), row.t_s, row.hr, row.temp, row.eda)
            for row, is_first in zip(chunk, fresh, strict=True)
            if is_first
        ]
        predictions = iter(predictor.score(readings))
        for row, is_first in zip(chunk, fresh, strict=True):
            if is_first:
                newest[row.stream] = row.t_s, next(predictions)
            _, prediction = newest[row.stream]
            yield row, prediction.probability, prediction.level
        done += len(chunk)
        progress(f"{done} rows, {len(states)} recordings")


def _first_at_their_time(rows: Sequence[Row], newest: dict[tuple[str, str], float]) -> list[bool]:
    """Return for each row whether it is its stream's first at its time; `newest` has the times before, and is changed."""
    fresh = []
    for row in rows:
        fresh.append(newest.get(row.stream) != row.t_s)
        newest[row.stream] = row.t_s
    return fresh
