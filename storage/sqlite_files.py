"""A file of SQLite that somebody names: what it is, in words, and a connection that changes nothing in it."""

import sqlite3
import stat
from pathlib import Path
from typing import Final, NamedTuple

COMPANIONS: Final = ("-wal", "-shm", "-journal")
"""Suffixes of the files that belong to one of SQLite's while it is in use, and after a crash."""
_MAGIC: Final = b"SQLite format 3\0"
_HEADER: Final = 100
_COMPRESSED: Final = {b"\x1f\x8b": "gzip", b"PK": "zip", b"\xfd7zXZ": "xz", b"(\xb5/\xfd": "zstd"}
"""Programs, by the first bytes of what they write."""


class FileError(Exception):
    """The file is no database that can be read; the message is one line for the user."""


class Header(NamedTuple):
    """Sizes in bytes of the file and its write-ahead log; `logged`: a log may belong to it."""

    size: int
    log_size: int
    logged: bool


def companions(path: Path) -> list[Path]:
    """Return the paths of the files that may belong to a database; a link to it has them at its target."""
    return [Path(f"{path.resolve()}{suffix}") for suffix in COMPANIONS]


def size_in_words(size: int) -> str:
    """Return a number of bytes as text, such as `1.5 MB`."""
    for unit, width in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= width:
            return f"{size / width:.1f} {unit}"
    return f"{size} bytes"


def read_header(path: Path) -> Header:
    """Read the header of a file. Raises `FileError` if it is none of SQLite, empty, or ends too early.

    Not for a file that this process has open: to close it would release SQLite's locks of the whole process.
    """
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise FileError(f"{path} is a folder: name the file in it")
        if not stat.S_ISREG(found.st_mode):
            raise FileError(f"{path} is not a regular file")
        with path.open("rb") as file:
            first = file.read(_HEADER)
        log = companions(path)[0]
        log_size = log.stat().st_size if log.exists() else 0
    except FileNotFoundError as error:
        raise FileError(f"there is no file {path}") from error
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from error
    _check_first_bytes(path, first, log_size)
    _check_length(path, first, found.st_size, log_size)
    return Header(found.st_size, log_size, logged=first[18:20] == b"\2\2")


def _check_first_bytes(path: Path, first: bytes, log_size: int) -> None:
    if not first and log_size:
        raise FileError(f"{path} is empty, and its log {path}-wal is not: put the file back that belongs to it")
    if not first:
        raise FileError(f"{path} is empty: there is nothing in it")
    for start, program in _COMPRESSED.items():
        if first.startswith(start):
            raise FileError(f"{path} is compressed with {program}: unpack it first")
    if not first.startswith(_MAGIC[: len(first)]):
        raise FileError(f"{path} is not a database of SQLite, but another kind of file")
    if len(first) < _HEADER:
        raise FileError(f"{path} ends too early, after {len(first)} bytes: copy it again")


def _check_length(path: Path, first: bytes, size: int, log_size: int) -> None:
    """Compare the length with that in the header, which counts if the last program that wrote it kept it."""
    page_size, pages = int.from_bytes(first[16:18], "big"), int.from_bytes(first[28:32], "big")
    whole = (page_size if page_size > 1 else 65_536) * pages
    if first[24:28] == first[92:96] and size < whole and not log_size:
        raise FileError(f"{path} ends too early: it has {size} of {whole} bytes; copy it again")


def connect_to_read(path: Path, *, alone: bool = False) -> sqlite3.Connection:
    """Return a connection that begins no transactions by itself, reads, and never creates the file. Raises sqlite3.Error.

    SQLite keeps the log of a file that it opens only to read. Without a log it is opened to write as well, since else
    SQLite would leave the empty log behind that it makes for itself. With `alone` nobody else uses the file, and nothing
    is made beside it.
    """
    mode = "ro&immutable=1" if alone else "ro" if companions(path)[0].exists() else "rw"
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None, check_same_thread=False
    )
