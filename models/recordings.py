"""Recordings: CSV files (plain or gzip) of `subject,t,hr,temp,eda`, for training also `label,source,task`.

With a column `session`, each session of a subject is a recording of its own. `task` says what the person was doing; where
`exercising` is 1 that is exercise.

An empty cell, or a value outside the contract's range (a skin temperature of 207 degrees is a loose sensor), means that
the sensor had no contact. Anything else that cannot be read is an error that names the file, the line and the column.
"""

import csv
import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Literal, NamedTuple, TextIO, cast

from broker.contract import RANGES, StressLevel

REQUIRED = ("subject", "t", *RANGES)
EXERCISE = "exercise"
"""The task of a person who is exercising."""
PREDICTION_COLUMNS = ("subject", "t", "p_stress", "level")


class RecordingError(Exception):
    """A file that cannot be read as a recording; the message is one line for the user."""


class Row(NamedTuple):
    """One sample; `t` is the time as the file has it, `t_s` the same in seconds, `label` None where there is none."""

    subject: str
    t: str
    t_s: float
    hr: float | None
    temp: float | None
    eda: float | None
    label: int | None
    source: str
    session: str = ""
    task: str = ""

    @property
    def stream(self) -> tuple[str, str]:
        """The subject and the session: the key of the row's recording."""
        return self.subject, self.session


class Recording(NamedTuple):
    """All rows of one session of a subject, in the order of time."""

    subject: str
    source: str
    rows: list[Row]

    @property
    def name(self) -> str:
        """The subject, and the session where there are several."""
        return "_".join(filter(None, self.rows[0].stream)) if self.rows else self.subject


def read_rows(path: Path) -> Iterator[Row]:
    """Every row in the order of the file. Raises RecordingError, also where a subject's time does not increase."""
    newest: dict[tuple[str, str], float] = {}
    with _open(path, "rt") as lines:
        reader = csv.reader(lines)
        columns = _columns(path, reader)
        for cells in _cells(path, reader):
            row = _row(_Place(path, reader.line_num), cells, columns)
            if row.t_s <= newest.get(row.stream, float("-inf")):
                raise RecordingError(
                    f"{path}, line {reader.line_num}, column t: {row.t} is not after the subject's row before"
                )
            newest[row.stream] = row.t_s
            yield row


def read_recordings(path: Path) -> list[Recording]:
    """The rows by subject and session, in order of appearance. Raises RecordingError, also for no rows at all."""
    streams: dict[tuple[str, str], list[Row]] = {}
    for row in read_rows(path):
        streams.setdefault(row.stream, []).append(row)
    if not streams:
        raise RecordingError(f"{path}: no rows")
    return [Recording(subject, rows[0].source, rows) for (subject, _), rows in streams.items()]


def write_predictions(path: Path, predictions: Iterable[tuple[Row, float, StressLevel]]) -> int:
    """Write `subject,t,p_stress,level`, one row each; returns how many. The file appears whole or not at all.

    Raises RecordingError if it cannot be written.
    """
    if not path.parent.is_dir():
        raise RecordingError(f"{path}: there is no folder {path.parent}")
    count = 0
    part = path.with_name(f"part-{path.name}")
    try:
        with _open(part, "wt") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(PREDICTION_COLUMNS)
            for row, p, level in predictions:
                writer.writerow((row.subject, row.t, f"{p:.6f}", level))
                count += 1
        part.replace(path)
    except OSError as error:
        raise RecordingError(f"{path}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


class _Place(NamedTuple):
    path: Path
    line: int

    def error(self, column: str, what: str) -> RecordingError:
        return RecordingError(f"{self.path}, line {self.line}, column {column}: {what}")


@contextmanager
def _open(path: Path, mode: Literal["rt", "wt"]) -> Iterator[TextIO]:
    try:
        with _opened(path, mode) as file:
            yield file
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise RecordingError(f"{path}: {error}") from error


def _opened(path: Path, mode: Literal["rt", "wt"]) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, mode, encoding="utf-8", newline=""))
    return cast(TextIO, path.open(mode, encoding="utf-8", newline=""))


def _columns(path: Path, reader: Iterator[list[str]]) -> dict[str, int]:
    names = [name.strip().removeprefix("\ufeff") for name in next(reader, [])]
    for name in REQUIRED:
        if name not in names:
            raise RecordingError(f"{path}, line 1: the column {name} is missing; needed are {','.join(REQUIRED)}")
    return {name: position for position, name in enumerate(names)}


def _cells(path: Path, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    """The lines that are not empty."""
    try:
        for cells in reader:
            if cells:
                yield cells
    except csv.Error as error:
        raise RecordingError(f"{path}: {error}") from error


def _row(place: _Place, cells: list[str], columns: dict[str, int]) -> Row:
    if len(cells) < len(columns):
        raise RecordingError(f"{place.path}, line {place.line}: {len(cells)} cells instead of {len(columns)}")
    t_s = _number(place, "t", cells[columns["t"]])
    subject = cells[columns["subject"]]
    if not subject:
        raise place.error("subject", "empty")
    if t_s is None:
        raise place.error("t", "empty")
    hr, temp, eda = (_channel(place, name, cells[columns[name]]) for name in RANGES)
    label = _label(place, cells[columns["label"]]) if "label" in columns else None
    source, session, task = (cells[columns[name]] if name in columns else "" for name in ("source", "session", "task"))
    if "exercising" in columns and _number(place, "exercising", cells[columns["exercising"]]) == 1:
        task = EXERCISE
    return Row(subject, cells[columns["t"]], t_s, hr, temp, eda, label, source, session, task)


def _number(place: _Place, column: str, cell: str) -> float | None:
    if not cell.strip():
        return None
    try:
        number = float(cell)
    except ValueError:
        raise place.error(column, f"{cell!r} is not a number") from None
    if not isfinite(number):
        raise place.error(column, f"{cell!r} is not a finite number")
    return number


def _channel(place: _Place, column: str, cell: str) -> float | None:
    number = _number(place, column, cell)
    accepted = RANGES[column]
    return number if number is not None and accepted.low <= number <= accepted.high else None


def _label(place: _Place, cell: str) -> int | None:
    if cell not in ("0", "1", ""):
        raise place.error("label", f"{cell!r} is none of 0, 1 and empty")
    return int(cell) if cell else None
