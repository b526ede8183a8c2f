"""The record as a file: CSV, JSON Lines or Parquet, in chunks, so that neither memory nor a transaction grows with it."""

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import msgspec
from sqlalchemy import Connection, Row, select, tuple_

from broker.contract import SENSORS
from storage.database import Database, DatabaseError
from storage.history import Scope
from storage.tables import HistoryStress

Format = Literal["csv", "jsonl", "parquet"]
CHUNK: Final = 1_000
"""Rows that are held as Python objects while a slow client takes them: about a megabyte."""
GROUP: Final = 20_000
"""Rows of a row group of Parquet, which is the unit of compression; until then they are columns, some 150 bytes a row."""
_h = HistoryStress
COLUMNS: Final = (
    "id",
    "device_id",
    "timestamp",
    "received_at",
    "boot",
    "seq",
    "hr",
    "temp",
    "eda",
    "stress_level",
    "confidence",
    "stress_probability",
    "quality",
    "model_version",
)
"""The columns of an export; `confidence` and `stress_probability` are 0-1, `quality` is comma-separated.

Times are UTC and have all the same width, with microseconds: not every reader takes two forms in one column.
"""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_encode = msgspec.json.Encoder().encode


class ExportError(Exception):
    """An export that cannot be made; the message is one line for the user."""


class Encoder(Protocol):
    """Turns rows into the bytes of a file."""

    def rows(self, rows: Sequence[Row[Any]]) -> bytes:
        """The bytes of these rows."""

    def end(self) -> bytes:
        """The last bytes of the file."""


def encoder_of(kind: Format) -> Encoder:
    """Return the encoder of a format. Raises `ExportError` if a package is missing."""
    if kind == "parquet":
        return _parquet()
    return _Csv() if kind == "csv" else _JsonLines()


def chunk_after(connection: Connection, scope: Scope, last: Row[Any] | None) -> Sequence[Row[Any]]:
    """Return the next readings after `last`, oldest first, at most `CHUNK`."""
    query = scope.of(select(*(getattr(_h, name) for name in COLUMNS)))
    if last is not None:
        query = query.where(tuple_(_h.timestamp, _h.id) > (last.timestamp, last.id))
    if scope.devices is not None and not scope.devices:
        return []
    return connection.execute(query.order_by(_h.timestamp, _h.id).limit(CHUNK)).all()


def export_to(path: Path, database: Database, scope: Scope, kind: Format) -> int:
    """Write a file and return its number of readings; each chunk is a transaction. Raises `ExportError`."""
    encoder, last, count = encoder_of(kind), None, 0
    try:
        with path.open("xb") as file:
            path.chmod(0o600)  # health data
            while True:
                with database.reading() as connection:
                    rows = chunk_after(connection, scope, last)
                file.write(encoder.rows(rows))
                count += len(rows)
                if len(rows) < CHUNK:
                    break
                last = rows[-1]
            file.write(encoder.end())
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror}") from error
    except DatabaseError as error:
        raise ExportError(f"{error}; {path} is not whole") from error
    return count


class _Csv:
    def __init__(self) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._writer.writerow(COLUMNS)

    def rows(self, rows: Sequence[Row[Any]]) -> bytes:
        self._writer.writerows([_cell(value) for value in row] for row in rows)
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()

    def end(self) -> bytes:
        return b""


def _cell(value: object) -> object:
    """A cell of CSV. Text that a spreadsheet would take for a formula is quoted, as OWASP advises."""
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _member(value: object) -> object:
    """A value of JSON. Left to msgspec, a time without a fraction would be shorter than others."""
    return f"{value.replace(tzinfo=None).isoformat(timespec='microseconds')}Z" if isinstance(value, datetime) else value


class _JsonLines:
    def rows(self, rows: Sequence[Row[Any]]) -> bytes:
        return b"".join(_encode(dict(zip(COLUMNS, map(_member, row), strict=True))) + b"\n" for row in rows)

    def end(self) -> bytes:
        return b""


class _Sink(io.RawIOBase):
    """The file that pyarrow writes to; its bytes are taken away after each chunk."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting += data
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def take(self) -> bytes:
        taken, self._waiting = bytes(self._waiting), bytearray()
        return taken


class _Parquet:
    """A row group for `GROUP` rows."""

    def __init__(self, arrow: Any, parquet: Any) -> None:
        number, text, time = arrow.float64(), arrow.string(), arrow.timestamp("us", tz="UTC")
        kinds = {"id": arrow.int64(), "seq": arrow.int64(), "timestamp": time, "received_at": time}
        numbers = (*SENSORS, "confidence", "stress_probability")
        self._arrow = arrow
        self._schema = arrow.schema([(name, kinds.get(name, number if name in numbers else text)) for name in COLUMNS])
        self._sink = _Sink()
        self._writer = parquet.ParquetWriter(self._sink, self._schema, compression="zstd")
        self._group: list[Any] = []

    def rows(self, rows: Sequence[Row[Any]]) -> bytes:
        if rows:
            columns = [list(column) for column in zip(*rows, strict=True)]
            arrays = [self._arrow.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
            self._group.append(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        if sum(map(len, self._group)) >= GROUP:
            self._write_group()
        return self._sink.take()

    def end(self) -> bytes:
        self._write_group()
        self._writer.close()
        return self._sink.take()

    def _write_group(self) -> None:
        if self._group:
            self._writer.write_table(self._arrow.concat_tables(self._group))
            self._group.clear()


def _parquet() -> _Parquet:
    try:
        import pyarrow  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ExportError("Parquet needs a package more: pip install 'stresswire[parquet]'") from error
    return _Parquet(pyarrow, pyarrow.parquet)
