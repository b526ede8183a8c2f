"""Files of other kinds than recordings, told by their first bytes or lines, with what to do about them."""

import re
from collections.abc import Sequence
from typing import Final

_TABLE: Final = "a recording is a table with the columns subject,t,hr,temp,eda"
_CSV: Final = "save the sheet as CSV (UTF-8)"
_SIGNATURES: Final = (
    (0, b"PAR1", "a Parquet file: stresswire export writes .csv and .jsonl too, which can be read"),
    (0, b"SQLite format 3\0", "a SQLite database: stresswire export FILE.csv writes the readings of a record"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"a workbook of an old Excel: {_CSV}"),
    (0, b"0       ", f"an EDF file: {_TABLE}"),
    (0, b"\xffBIOSEMI", f"a BDF file: {_TABLE}"),
    (0, b"XDF:", f"an XDF file of the Lab Streaming Layer: {_TABLE}"),
    (0, b"Obj\x01", f"an Avro file, as an EmbracePlus gives it: {_TABLE}"),
    (8, b".FIT", f"a FIT file, as sports watches give it: {_TABLE}"),
    (0, b"\x89HDF\r\n", f"an HDF5 file: {_TABLE}"),
    (0, b"MATLAB 5.0", f"a MATLAB file: {_TABLE}"),
    (0, b"%PDF", f"a PDF document: {_TABLE}"),
    (0, b"\x1f\x8b", "compressed with gzip twice: unpack it once"),
    (0, b"BZh", "compressed with bzip2: unpack it, or compress it with gzip"),
    (0, b"\xfd7zXZ\0", "compressed with xz: unpack it, or compress it with gzip"),
    (0, b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it, or compress it with gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (0, b"version https://git-lfs", "a pointer of Git LFS and not the file itself: git lfs pull fetches that"),
)
_NUMBER: Final = r"\s*[+-]?[0-9]+(?:[.][0-9]*)?(?:[eE][+-]?[0-9]+)?\s*"
_NUMBERS: Final = re.compile(rf"{_NUMBER}(?:[,;\t]{_NUMBER})*[,;\t]?")
_UNIX_S: Final = re.compile(r"\s*[0-9]{9,10}(?:\.[0-9]*)?\s*")
_EMOTIBIT: Final = re.compile(r"[0-9.]+,[0-9]+,[0-9]+,[A-Z][A-Z0-9%],[0-9]+,[0-9]+,")


def kind_of_bytes(head: bytes) -> str | None:
    """Return what a file is that begins with these bytes, and what to do; None for what may be text."""
    if head.startswith(b"PK\x03\x04"):
        return _zip(head)
    for offset, signature, kind in _SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    # Further down they are damage to a line.
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")) or b"\0" not in head.partition(b"\n")[0]:
        return None
    if not any(head[1:64:2]) or not any(head[:64:2]):
        return "UTF-16 text without the mark at its beginning: save it as UTF-8"
    return f"no text, for it has bytes of zero: {_TABLE}"


def kind_of_text(lines: Sequence[str]) -> str | None:
    """Return what a file is that begins with these lines, none of them empty, and what to do; None for a table."""
    first = lines[0].strip() if lines else ""
    begin = first.lower()
    if begin.startswith("# opensignals"):
        return f"an OpenSignals file of a BITalino or biosignalsplux, with raw values: {_TABLE}"
    if begin.startswith(("<!doctype html", "<html")):
        return "a web page: perhaps a login or a page about the file was saved in its place"
    if begin.startswith("<"):
        return f"XML: {_TABLE}"
    if begin.startswith("["):
        return f"a JSON array: {_TABLE}, or JSON Lines with one object a line"
    if _EMOTIBIT.match(first):
        return f"a raw file of an EmotiBit: {_TABLE}"
    return _e4(lines) or _without_header(first)


def _zip(head: bytes) -> str:
    if b"[Content_Types].xml" in head or b"xl/" in head:
        return f"an Excel workbook: {_CSV}"
    if b"opendocument.spreadsheet" in head:
        return f"an OpenDocument spreadsheet: {_CSV}"
    return "a zip archive: unpack it first"


def _e4(lines: Sequence[str]) -> str | None:
    """The files of one channel of an E4: a line with the start, for each column, and one with the rate."""
    start, _, rest = lines[0].partition(",")
    if not _UNIX_S.fullmatch(start):
        return None
    if rest.strip() == "IBI":
        return f"an Empatica E4's IBI.csv, the intervals between beats: {_TABLE}"
    same = {cell.strip() for cell in lines[0].split(",")}
    rates = {cell.strip() for cell in lines[1].split(",")} if len(lines) > 1 else set()
    if len(same) == len(rates) == 1 and re.fullmatch(_NUMBER, rates.pop()) and not _UNIX_S.fullmatch(lines[1]):
        return (
            "an Empatica E4's file of one channel, with its start and rate in the first lines: "
            "join HR.csv, TEMP.csv and EDA.csv into one table with the columns subject,t,hr,temp,eda"
        )
    return None


def _without_header(first: str) -> str | None:
    if not _NUMBERS.fullmatch(first):
        return None
    return f"a table without a header, for its first line holds numbers alone: {_TABLE}, named in the first line"
