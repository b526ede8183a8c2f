"""Recordings: tables with the columns `subject,t,hr,temp,eda`, for training also `label,source,task`.

The files are CSV or JSON Lines, plain or gzip (`models.tables`). What `stresswire export` writes is one as it is: there
`device_id` is the subject, `timestamp` the time, and other columns are not looked at. With a column `session`, each session
of a subject is a recording of its own. `task` says what the person was doing; where `exercising` is 1 that is exercise.

`t` is in seconds, or a Unix time in milli-, micro- or nanoseconds, or ISO 8601: one of them in the whole file. An empty
cell, or a value outside the contract's range (a skin temperature of 207 degrees is a loose sensor), means that the sensor
had no contact; `LeftOut` counts the values. Anything else that cannot be read is an error that names the file, the line and
the column.
"""

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple, TextIO, cast

from broker.contract import RANGES, StressLevel
from broker.contract.near_names import meant_field
from models.cells import CellError, Numbers, Times, read_flag
from models.errors import RecordingError
from models.left_out import LeftOut
from models.tables import Table, open_table, shown

REQUIRED: Final = ("subject", "t", *RANGES)
_OPTIONAL: Final = ("label", "source", "session", "task", "exercising")
_TEXTS: Final = ("source", "session", "task")
_EXPORTED: Final = {"subject": "device_id", "t": "timestamp"}
"""Columns of an export that have another name there."""
_KNOWN: Final = frozenset((*REQUIRED, *_OPTIONAL, *_EXPORTED.values()))
_OTHER_NAMES: Final = {
    "subject": ("person", "participant", "id", "user", "patient", "name", "device", "subjectid", "participantid"),
    "t": ("time", "times", "seconds", "unix", "epoch", "date", "datetime", "timestampunix", "unixtime", "ts"),
}
"""What columns are called elsewhere, in lower case and without signs; `meant_field` knows the sensors' names."""
_FORMULA: Final = ("=", "+", "-", "@")
_STEPS: Final = 100
_LEAST_STEPS: Final = 3
_LONGEST_STEP_S: Final = 3.0
"""Times from a recording's start whose steps are longer than this are hardly seconds, but milliseconds."""
_SHORTEST_STEP_S: Final = 0.0005
"""Nor are those whose steps are shorter: a spreadsheet's days have steps of 0.0000116."""
_EARLIEST_UNIX_S: Final = 946_684_800.0
"""2000-01-01. Smaller times are from a recording's start."""
EXERCISE = "exercise"
"""The task of a person who is exercising."""
PREDICTION_COLUMNS = ("subject", "t", "p_stress", "level")


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


def read_rows(path: Path, left_out: LeftOut | None = None) -> Iterator[Row]:
    """Every row in the order of the file. Raises RecordingError, also where a subject's time does not increase.

    `left_out` counts the values that were taken as no contact. In an export, several readings of a device at one time are
    one sample: each of their rows has of each sensor the first value.
    """
    with open_table(path, _KNOWN) as table:
        reader = _Reader(path, table, LeftOut() if left_out is None else left_out)
        if reader.is_export:
            yield from _moments(reader.rows(), reader.left_out)
        else:
            yield from reader.rows()


def read_recordings(path: Path, tell: Callable[[str], None] | None = None) -> list[Recording]:
    """The rows by subject and session, in order of appearance. Raises RecordingError, also for no rows at all.

    `tell` gets a line for each kind of value that was taken as no contact.
    """
    left_out = LeftOut()
    streams: dict[tuple[str, str], list[Row]] = {}
    for row in read_rows(path, left_out):
        rows = streams.setdefault(row.stream, [])
        if not rows or row.t_s > rows[-1].t_s:
            rows.append(row)
    if not streams:
        raise RecordingError(f"{path}: no rows")
    for (subject, _), rows in streams.items():
        if len(sources := sorted({row.source for row in rows} - {""})) > 1:
            raise RecordingError(
                f"{path}: the subject {shown(subject)} is of {sources[0]} and of {sources[1]}; "
                "two people need two names, and two recordings of one person a column session"
            )
    if tell is not None:
        for line in left_out.lines():
            tell(f"{path}: {line}")
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
        with _created(part) as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(PREDICTION_COLUMNS)
            for row, p, level in predictions:
                writer.writerow((row.subject, row.t, f"{p:.6f}", level))
                count += 1
        part.replace(path)
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return count


def _created(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "wt", encoding="utf-8", newline=""))
    return path.open("w", encoding="utf-8", newline="")


class _Reader:
    """Gives the cells of one file their meaning."""

    def __init__(self, path: Path, table: Table, left_out: LeftOut) -> None:
        """Raises RecordingError for a header without the columns that are needed."""
        self._path = path
        self._table = table
        self.left_out = left_out
        self._at = _columns(path, table)
        names = {table.header[position].lower() for position in (self._at["subject"], self._at["t"])}
        self.is_export = names == set(_EXPORTED.values())
        self._numbers = Numbers(lambda: table.line, comma=table.decimal_comma)
        self._times = Times(lambda: table.line, self._numbers)
        self._newest: dict[tuple[str, str], float] = {}
        self._steps: list[float] | None = []

    def rows(self) -> Iterator[Row]:
        """The rows, each after the one before of its subject and session."""
        for cells in self._table.rows():
            yield self._row(cells)
        self._check_steps()

    def _row(self, cells: list[str]) -> Row:
        at, column = self._at, "subject"
        try:
            subject = self._subject(cells[at["subject"]])
            column = "t"
            t = cells[at["t"]]
            t_s = self._times.read(t)
            column = "hr"
            hr = self._channel(column, cells[at[column]])
            column = "temp"
            temp = self._channel(column, cells[at[column]])
            column = "eda"
            eda = self._channel(column, cells[at[column]])
            column = "label"
            label = read_flag(cells[at[column]]) if column in at else None
            source, session, task = [cells[at[name]].strip() if name in at else "" for name in _TEXTS]
            column = "exercising"
            if column in at and read_flag(cells[at[column]]):
                task = EXERCISE
            column = "t"
            self._keep_order((subject, session), t, t_s)
        except CellError as error:
            raise self._error(cells, column, error) from error
        return Row(subject, t, t_s, hr, temp, eda, label, source, session, task)

    def _subject(self, cell: str) -> str:
        subject = cell.strip()
        if not subject:
            raise CellError("empty; each row needs a name")
        # An export puts a quote before what a spreadsheet would calculate.
        return subject[1:] if self.is_export and subject[0] == "'" and subject[1:].startswith(_FORMULA) else subject

    def _channel(self, column: str, cell: str) -> float | None:
        number = self._numbers.read(cell)
        accepted = RANGES[column]
        if number is None or accepted.low <= number <= accepted.high:
            return number
        self.left_out.add(column, number, cell, self._table.line)
        return None

    def _keep_order(self, stream: tuple[str, str], t: str, t_s: float) -> None:
        newest = self._newest.get(stream)
        self._newest[stream] = t_s
        if newest is None:
            return
        if t_s < newest or (t_s == newest and not self.is_export):
            raise CellError(f"{shown(t)} is not after the subject's row before; sort the rows by time, one for each")
        if self._steps is not None:
            self._steps.append(t_s - newest)
            if len(self._steps) >= _STEPS:
                self._check_steps()

    def _check_steps(self) -> None:
        """Raise RecordingError if times that should be seconds from a start are too far from each other."""
        steps, self._steps = self._steps, None
        if not steps or len(steps) < _LEAST_STEPS or not self._times.relative:
            return
        step = median(steps)
        if step < _SHORTEST_STEP_S:
            raise RecordingError(
                f"{self._path}, column t: it must be in seconds, and the steps here are {step:.3g}; if these are a "
                "spreadsheet's days, format the column as date and time, or multiply by 86400"
            )
        if step > _LONGEST_STEP_S and max(map(abs, self._newest.values())) < _EARLIEST_UNIX_S:
            raise RecordingError(
                f"{self._path}, column t: it must be in seconds, and the steps here are {step:g}; if these are "
                "milliseconds, divide by 1000; if they are seconds, write Unix or ISO 8601 times"
            )

    def _error(self, cells: Sequence[str], column: str, error: CellError) -> RecordingError:
        where = f"{self._path}, line {self._table.line}"
        if tuple(cell.strip() for cell in cells) == self._table.header:
            return RecordingError(f"{where}: the header again; if two files were put together, delete it")
        return RecordingError(f"{where}, column {self._table.header[self._at[column]]}: {error}")


def _columns(path: Path, table: Table) -> dict[str, int]:
    """Return the positions of the columns that are there, by our names."""
    names = [name.lower() for name in table.header]
    where = f"{path}, line {table.header_line}"
    found: dict[str, int] = {}
    for name in (*REQUIRED, *_OPTIONAL):
        there = name if name in names else _EXPORTED.get(name, name)
        if names.count(there) > 1:
            raise RecordingError(f"{where}: the column {there} is there twice; delete one of them, or rename it")
        if there in names:
            found[name] = names.index(there)
    if missing := [name for name in REQUIRED if name not in found]:
        raise RecordingError(f"{where}: {_missing(missing, table.header)}")
    return found


def _missing(missing: Sequence[str], header: Sequence[str]) -> str:
    what = f"the column {missing[0]} is missing" if len(missing) == 1 else f"the columns {', '.join(missing)} are missing"
    if len(missing) == len(REQUIRED) and any(_has_digits_alone(name) for name in header):
        what = "the first line must name the columns"
    text = f"{what}; needed are {','.join(REQUIRED)}; found: {shown(', '.join(header), 200)}"
    if {"subject", "p_stress"} <= {name.lower() for name in header}:
        return f"{text}, which is what stresswire predict writes"
    near = [(name, like) for name in missing if (like := _near(name, header)) is not None]
    if near:
        text += "; did you mean " + ", ".join(f"{name} by {like}" for name, like in near) + "?"
    return text


def _has_digits_alone(name: str) -> bool:
    return name.replace(".", "", 1).isdecimal()


def _near(name: str, header: Sequence[str]) -> str | None:
    """Return the column that may be meant by another name; None if there is none."""
    bare = {}
    for column in header:
        word = column.lower().split("(")[0].split("[")[0]
        bare["".join(char for char in word if char.isalnum())] = column
    for word, column in bare.items():
        if column != name and (word in _OTHER_NAMES.get(name, ()) or meant_field(word) == name):
            return column
    close = [like for like in get_close_matches(name, bare, 1, 0.75) if like not in REQUIRED]
    return bare[close[0]] if close else None


def _moments(rows: Iterable[Row], left_out: LeftOut) -> Iterator[Row]:
    """Give the rows of one subject at one time, which are near each other in an export, the values of all of them."""
    for _, together in groupby(rows, key=lambda row: row.t_s):
        group = list(together)
        if len(group) == 1:
            yield group[0]
            continue
        joined: dict[tuple[str, str], Row] = {}
        for row in group:
            first = joined.setdefault(row.stream, row)
            if first is not row:
                missing = {name: getattr(row, name) for name in RANGES if getattr(first, name) is None}
                joined[row.stream] = first._replace(**missing)
                left_out.joined += 1
        yield from (joined[row.stream]._replace(t=row.t) for row in group)
