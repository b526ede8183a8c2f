"""Files as tables: the bytes of a CSV file or of JSON Lines as a header and rows of cells.

Read are UTF-8, and UTF-16 and UTF-32 with their mark; plain files and gzip, told apart by content; cells separated by a
comma, a semicolon or a tab, which the header tells, or a first line ``sep=;``; comments (``#``) before the header. Whatever
else a file may be is told in the error.
"""

import codecs
import contextlib
import csv
import gzip
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, Protocol, cast

import msgspec

from broker.contract.errors import RejectedError
from broker.contract.json_text import read_slowly
from models.errors import RecordingError
from models.file_kinds import kind_of_bytes, kind_of_text

DELIMITERS: Final = (",", ";", "\t")
_HEAD_BYTES: Final = 4096
_LONGEST_LINE: Final = 65_536
"""Characters of a line before the rows; a file with a longer one is no table."""
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_SEPARATOR: Final = re.compile(r'"?sep=(.)"?[,;\t]*', re.IGNORECASE)
_SHOWN: Final = 60
_decode_object: Final = msgspec.json.Decoder(dict[str, Any]).decode
ZEROS: Final = "bytes of zero, as a power cut leaves them in a file; delete this line"
_COMMAS: Final = "; decimal commas look like that: write points, or separate the cells with semicolons"


class Table(Protocol):
    """An open file: its header and its rows."""

    header: tuple[str, ...]
    """The names of the columns as the file has them, without spaces around; some may be empty."""
    header_line: int
    """The number of the header's line, from 1."""
    decimal_comma: bool
    """True if numbers may have a decimal comma, which cannot be a delimiter."""

    @property
    def line(self) -> int:
        """The number of the line that was read last."""

    def rows(self) -> Iterator[list[str]]:
        """The cells of each row that is not blank, as many as the header has. Raises RecordingError for any other row."""


def shown(text: str, longest: int = _SHOWN) -> str:
    """Return what was found in a file as a message shows it: quoted, and not longer than so many characters."""
    quoted = repr(text)
    return quoted if len(quoted) <= longest else f"{quoted[: longest - 4]}...{quoted[0]}"


@contextmanager
def open_table(path: Path, known: Collection[str]) -> Iterator[Table]:
    """Open a file as a table.

    Args:
        path: the file.
        known: names of columns in lower case; they tell which character separates the cells.

    Raises:
        RecordingError: the file cannot be read, also later while its rows are; or it is of another kind.
    """
    table: Table | None = None
    try:
        with path.open("rb") as file, _unpacked(path, file) as data, _text(path, data) as text:
            table = _table(path, text, known)
            yield table
    except UnicodeDecodeError as error:
        raise _undecodable(path, error) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        where = "" if table is None else f" after line {table.line}"
        what = "ends too early: the file is cut off" if isinstance(error, EOFError) else "is damaged"
        raise RecordingError(f"{path}: the gzip data {what}{where}; copy the file again") from error
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from error


@contextmanager
def _unpacked(path: Path, file: BufferedReader) -> Iterator[BufferedReader]:
    if not file.peek(2).startswith(b"\x1f\x8b"):
        yield file
        return
    with gzip.GzipFile(path, "rb", fileobj=file) as unpacked:
        yield cast(BufferedReader, unpacked)


@contextmanager
def _text(path: Path, data: BufferedReader) -> Iterator[IO[str]]:
    head = data.peek(_HEAD_BYTES)
    kind = kind_of_bytes(head)
    if kind is not None:
        raise RecordingError(f"{path} is {kind}")
    with TextIOWrapper(data, _encoding(head), newline="") as text:
        yield text


def _encoding(head: bytes) -> str:
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), "utf-8")


def _undecodable(path: Path, error: UnicodeDecodeError) -> RecordingError:
    """Return the error with the line, for which the file is read again: a decoder knows nothing of lines."""
    with path.open("rb") as file, _unpacked(path, file) as data:
        encoding = _encoding(data.peek(_HEAD_BYTES))
        decoder, line = codecs.getincrementaldecoder(encoding)(), 1
        try:
            while chunk := data.read(_LONGEST_LINE):
                line += decoder.decode(chunk).count("\n")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as again:
            found = again.object[: again.start].decode(again.encoding, "replace")
            line += found.count("\n")
            error = again
    byte = error.object[error.start]
    name = encoding.removesuffix("-sig").upper()
    return RecordingError(f"{path}, line {line}: the byte 0x{byte:02x} is not {name}; save the file as UTF-8")


def _table(path: Path, text: IO[str], known: Collection[str]) -> Table:
    """Read up to the header and the line behind it, which are handed on to what reads the rows."""
    number, stated, comments, header = 0, None, [], ""
    while line := text.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise RecordingError(f"{path}, line {number}: no header, for it is longer than {_LONGEST_LINE} characters")
        if number == 1 and (found := _SEPARATOR.fullmatch(line.strip("\r\n "))):
            stated = found[1]
        elif line.startswith("#"):
            comments.append(line)
        elif line.strip():
            header = line
            break
    if not header:
        raise RecordingError(f"{path}: {'no rows, only comments' if comments else 'the file is empty'}")
    behind = text.readline()
    if header.lstrip().startswith("{"):
        return _JsonLines(path, chain([header, behind], text), number - 1)
    lines = [header, behind]
    if comments and _names(header, stated, known)[1] == 0 and _names(comments[-1].lstrip("# "), stated, known)[1] > 1:
        # numpy.savetxt writes its header as a comment.
        lines.insert(0, comments[-1].lstrip("# "))
        number -= 1
    kind = kind_of_text(comments[:1] or lines)
    if kind is not None:
        raise RecordingError(f"{path} is {kind}")
    delimiter, _ = _names(lines[0], stated, known)
    return _Csv(path, chain(lines, text), number - 1, delimiter)


def _names(line: str, stated: str | None, known: Collection[str]) -> tuple[str, int]:
    """Return what separates the names of a header, and how many of them are known."""
    found = []
    for delimiter in DELIMITERS if stated is None else (stated,):
        names = next(csv.reader([line], delimiter=delimiter))
        found.append((sum(name.strip().lower() in known for name in names), len(names), delimiter))
    count, _, delimiter = max(found, key=lambda one: one[:2])
    return delimiter, count


class _Csv:
    """A table of cells between delimiters, as RFC 4180 has them."""

    def __init__(self, path: Path, lines: Iterator[str], before: int, delimiter: str) -> None:
        """Args: the lines from the header on, `before` of them the file has others."""
        self._path, self._before, self._delimiter = path, before, delimiter
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        with self._quotes():
            self.header = tuple(name.strip() for name in next(self._reader))
        self.header_line = self.line
        self.decimal_comma = delimiter != ","

    @property
    def line(self) -> int:
        return self._before + self._reader.line_num

    def rows(self) -> Iterator[list[str]]:
        width = len(self.header)
        with self._quotes():
            for cells in self._reader:
                if len(cells) == width and (cells[0] or any(cells)):
                    yield cells
                elif fitting := self._fitted(cells, width):
                    yield fitting

    def _fitted(self, cells: list[str], width: int) -> list[str]:
        """Return a row without what its line has behind the last delimiter; nothing for a blank line."""
        if not any(cell.strip() for cell in cells):
            return []
        # With commas the empty cells behind could be the rest of a decimal comma.
        if self._delimiter != "," and len(cells) > width and not any(cell.strip() for cell in cells[width:]):
            return cells[:width]
        line, hint = self.line, ""
        if any("\0" in cell for cell in cells):
            raise RecordingError(f"{self._path}, line {line}: {ZEROS}")
        if len(cells) > width:
            hint = self._too_many(cells, width)
        elif cells[0].startswith("#"):
            hint = "; a comment can only stand before the first line of the table: delete it"
        elif next(self._reader, None) is None:
            hint = "; it is the last line: the file may be cut off"
        row = self._delimiter.join(cells)
        raise RecordingError(f"{self._path}, line {line}: {len(cells)} cells instead of {width}: {shown(row)}{hint}")

    def _too_many(self, cells: list[str], width: int) -> str:
        """Return what to do about a row that is too long."""
        if self._delimiter != ",":
            return ""
        if not any(cell.strip() for cell in cells[width:]):
            return "; delete the comma at the end"
        if self.line == self.header_line + 1 and len(cells) == width + 1 and cells[0] == "1":
            return "; R writes row names without a column's name: write the table with row.names = FALSE"
        return _COMMAS

    @contextmanager
    def _quotes(self) -> Iterator[None]:
        try:
            yield
        except csv.Error as error:
            what = "text behind the quote that ends a cell"
            if "limit" in str(error):
                what = f"a cell of more than {csv.field_size_limit()} characters; is there a quote without its partner?"
            elif "end of data" in str(error):
                what = 'the file ends in a cell that began with a quote (") and has no end'
            raise RecordingError(f"{self._path}, line {self.line}: {what}") from error


class _JsonLines:
    """A table of JSON Lines: an object a line, whose names are those of the first; what is left out or null is empty."""

    decimal_comma = False

    def __init__(self, path: Path, lines: Iterator[str], before: int) -> None:
        """Args: the lines from the first object on, `before` of them the file has others."""
        self._path, self._lines = path, lines
        self.line = before
        self._first = self._object(next(lines))
        self.header = tuple(self._first)
        self._names = frozenset(self.header)
        self.header_line = self.line

    def rows(self) -> Iterator[list[str]]:
        yield self._cells(self._first)
        for line in self._lines:
            if line.strip():
                yield self._cells(self._object(line))
            else:
                self.line += 1

    def _object(self, line: str) -> dict[str, Any]:
        self.line += 1
        try:
            return _decode_object(line)
        except msgspec.DecodeError:
            with contextlib.suppress(RejectedError):
                value = read_slowly(line)  # NaN, as Python writes it
                if isinstance(value, dict):
                    return value
            if self.line == 1 and not line.rstrip().endswith("}"):
                raise RecordingError(
                    f"{self._path} is JSON, but not JSON Lines, with a whole object on each line"
                ) from None
            raise RecordingError(f"{self._path}, line {self.line}: not a JSON object: {shown(line.strip())}") from None

    def _cells(self, row: dict[str, Any]) -> list[str]:
        if not row.keys() <= self._names:
            name = next(name for name in row if name not in self._names)
            raise RecordingError(f"{self._path}, line {self.line}: there is no {shown(name)} in the file's first line")
        return ["" if (value := row.get(name)) is None else str(value) for name in self.header]
