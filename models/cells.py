"""Cells of a recording as values: numbers, times, labels. An error says what was found, and what could stand there."""

import re
from collections.abc import Callable
from math import isfinite
from typing import Final

from broker.contract.limits import TIME_RULE
from broker.contract.times import parse_time
from models.tables import ZEROS, shown

NO_VALUE: Final = frozenset(("", "na", "n/a", "#n/a", "<na>", "nan", "-nan", "null", "none"))
"""Cells without a value, in lower case, as R, pandas, numpy, spreadsheets and databases write them."""
_DECIMAL_COMMA: Final = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
_TIMES: Final = ((1e11, "seconds"), (1e14, "milliseconds"), (1e17, "microseconds"), (float("inf"), "nanoseconds"))
"""A number below each limit is a Unix time in this unit, as in `parse_time`."""
_ISO: Final = "ISO 8601"
_MARKS: Final = {".": "point", ",": "comma"}
_YES: Final = frozenset(("1", "1.0"))
_NO: Final = frozenset(("0", "0.0"))


class CellError(ValueError):
    """A cell that cannot be read; the message says what was found, without file, line and column."""


class NotANumberError(CellError):
    """A cell that holds no number of any kind."""


class Numbers:
    """Reads the numbers of one file, which have all the same decimal mark."""

    def __init__(self, line: Callable[[], int], *, comma: bool) -> None:
        """Args: line: returns the number of the present line. comma: the decimal mark may be a comma."""
        self._line = line
        self._comma = comma
        self._mark: tuple[str, int] | None = None

    def read(self, cell: str) -> float | None:
        """Return a number, or None where there is no value. Raises CellError."""
        try:
            number = float(cell)
        except ValueError:
            return self._unusual(cell)
        # Python takes 7_0, the digits of every script, and numbers that are infinite.
        if not isfinite(number) or "_" in cell or not cell.isascii():
            return self._unusual(cell)
        if self._comma and "." in cell:
            self._same_mark(cell, ".")
        return number

    def _unusual(self, cell: str) -> float | None:
        text = cell.strip()
        if text.lower() in NO_VALUE:
            return None
        if _DECIMAL_COMMA.fullmatch(text):
            if not self._comma:
                raise CellError(f"{shown(cell)} has a decimal comma; write a point, or separate the cells with semicolons")
            self._same_mark(cell, ",")
            return float(text.replace(",", "."))
        if "\0" in cell:
            raise CellError(ZEROS)
        try:
            finite = isfinite(float(text))
        except ValueError:
            finite = True
        kind = "a number" if finite else "a finite number"
        raise NotANumberError(f"{shown(cell)} is not {kind}; leave the cell empty where there is no value")

    def _same_mark(self, cell: str, mark: str) -> None:
        if self._mark is None:
            self._mark = mark, self._line()
        elif self._mark[0] != mark:
            before, line = self._mark
            raise CellError(
                f"{shown(cell)} has a decimal {_MARKS[mark]}, but line {line} a decimal {_MARKS[before]}; "
                "a file must have one of them"
            )


class Times:
    """Reads the times of one file, which have all the same unit."""

    def __init__(self, line: Callable[[], int], numbers: Numbers) -> None:
        """Args: line: returns the number of the present line."""
        self._line = line
        self._numbers = numbers
        self._unit: tuple[str, int] | None = None

    @property
    def relative(self) -> bool:
        """True if the times are plain seconds."""
        return self._unit is not None and self._unit[0] == _TIMES[0][1]

    def read(self, cell: str) -> float:
        """Return a time in seconds: as it is below 1e11, else since 1970. Raises CellError."""
        if ":" in cell and self._unit is not None and self._unit[0] == _ISO:
            return self._parsed(cell, cell, _ISO)
        try:
            number = self._numbers.read(cell)
        except NotANumberError:
            return self._parsed(cell, cell, _ISO)
        if number is None:
            raise CellError("empty; each row needs its time")
        unit = _TIMES[0][1] if -1e11 < number < 1e11 else next(unit for limit, unit in _TIMES if abs(number) < limit)
        if self._unit is None or self._unit[0] != unit:
            self._same_unit(cell, unit)
        return number if unit == _TIMES[0][1] else self._parsed(cell, number, unit)

    def _parsed(self, cell: str, value: str | float, unit: str) -> float:
        try:
            time = parse_time(value)
        except ValueError as error:
            raise CellError(f"{shown(cell)} is no time: {error}; write a number of seconds, or {TIME_RULE}") from error
        self._same_unit(cell, unit)
        return time.timestamp()

    def _same_unit(self, cell: str, unit: str) -> None:
        if self._unit is None:
            self._unit = unit, self._line()
        elif self._unit[0] != unit:
            before, line = self._unit
            raise CellError(
                f"{shown(cell)} is a time in {unit}, but line {line} has {before}; a file must have one of them"
            )


def read_flag(cell: str) -> int | None:
    """Return 0 or 1 of a label, None where there is none. Raises CellError."""
    if cell in _YES:
        return 1
    if cell in _NO:
        return 0
    text = cell.strip().lower()
    if text in NO_VALUE:
        return None
    if text in _YES | _NO:
        return read_flag(text)
    raise CellError(f"{shown(cell)} is none of 0, 1 and empty")
