"""Reading recordings: what is read and as what, what is refused and in which words, and what is told at the end."""

import gzip
from pathlib import Path

import pytest

from models.errors import RecordingError
from models.left_out import LeftOut
from models.recordings import read_recordings, read_rows, write_predictions

Content = str | bytes
Rows = list[tuple[object, ...]]

HEAD = "subject,t,hr,temp,eda\n"
ROWS = "a,0,70.5,34,1\na,1,71,34,1\n"
GOOD = HEAD + ROWS
SAME: Rows = [("a", 0.0, 70.5, 34.0, 1.0, None), ("a", 1.0, 71.0, 34.0, 1.0, None)]
EXPORT = "id,device_id,timestamp,hr,temp,eda,stress_level\n"
MS = "".join(f"a,{1000 * at},70,34,1\n" for at in range(9))
TABLE = "a recording is a table with the columns subject,t,hr,temp,eda"
NEEDED = "needed are subject,t,hr,temp,eda"
COMMAS = "; decimal commas look like that: write points, or separate the cells with semicolons"
E4 = (
    "in.csv is an Empatica E4's file of one channel, with its start and rate in the first lines: "
    "join HR.csv, TEMP.csv and EDA.csv into one table with the columns subject,t,hr,temp,eda"
)


def written(tmp_path: Path, content: Content, name: str = "in.csv") -> Path:
    path = tmp_path / name
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


def labelled(*cells: str) -> str:
    return "subject,t,hr,temp,eda,label\n" + "".join(f"a,{at},70,34,1,{cell}\n" for at, cell in enumerate(cells))


@pytest.mark.parametrize("name", ["in.csv", "in.csv.gz"])
def test_rows_by_subject(tmp_path: Path, name: str) -> None:
    text = "t,subject,eda,hr,temp,label,source,more\n1,a,.5,70,33,1,lab,x\n1,b,,71,207,,lab,x\n\n2.5,a,.6,,33,0,lab,x\n"
    a, b = read_recordings(written(tmp_path, text, name))
    assert [(r.t, r.t_s, r.hr, r.temp, r.eda, r.label) for r in a.rows] == [
        ("1", 1, 70, 33, 0.5, 1),
        ("2.5", 2.5, None, 33, 0.6, 0),
    ]
    assert [(r.hr, r.temp, r.eda, r.label) for r in b.rows] == [(71, None, None, None)]
    assert (a.subject, b.subject, a.source) == ("a", "b", "lab")


READ: dict[str, tuple[Content, Rows]] = {
    "UTF-8 with its mark": ("\ufeff" + GOOD, SAME),
    "UTF-16 with tabs, as Excel's Unicode text": (GOOD.replace(",", "\t").replace("\n", "\r\n").encode("utf-16"), SAME),
    "UTF-16, big-endian": (b"\xfe\xff" + GOOD.encode("utf-16-be"), SAME),
    "UTF-32": (GOOD.encode("utf-32"), SAME),
    "gzip in a file of another name": (gzip.compress(GOOD.encode()), SAME),
    "UTF-16 in gzip": (gzip.compress(GOOD.encode("utf-16")), SAME),
    "semicolons": (GOOD.replace(",", ";"), SAME),
    "tabs": (GOOD.replace(",", "\t"), SAME),
    "sep=;": ("sep=;\r\n" + GOOD.replace(",", ";"), SAME),
    "sep= in quotes": ('"sep=;"\n' + GOOD.replace(",", ";"), SAME),
    "sep= of a tab, upper case": ("SEP=\t\n" + GOOD.replace(",", "\t"), SAME),
    "a separator that no header would tell": ("sep=|\n" + GOOD.replace(",", "|"), SAME),
    "comments": ("# exported by hand, with love\n#\n\n" + GOOD, SAME),
    "the header as a comment": ("# " + GOOD, SAME),
    "header in upper case, with spaces": (" SUBJECT, T ,Hr,TEMP , Eda\n" + ROWS, SAME),
    "everything in quotes, and R's row names": (
        '"","subject","t","hr","temp","eda"\n"1","a",0,70.5,34,1\n"2","a",1,71,34,1\n',
        SAME,
    ),
    "lines that end as on an old Mac": (GOOD.replace("\n", "\r"), SAME),
    "no newline at the end": (GOOD.rstrip("\n"), SAME),
    "blank lines": (HEAD + "\n \n,,,,\n" + ROWS + "\n", SAME),
    "a semicolon at the end of each row": (GOOD.replace(",", ";").replace("1\n", "1;\n"), SAME),
    "spaces around": (HEAD + "a , 0, 70.5 ,34 ,1\n a,1,71,34,1\n", SAME),
    "decimal commas": (
        "subject;t;hr;temp;eda\na;0;70,5;34,25;,5\na;0,5;71;34;-1,5e-3\n",
        [("a", 0, 70.5, 34.25, 0.5, None), ("a", 0.5, 71, 34, None, None)],
    ),
    "no value": (
        HEAD + "a,0,NA,nan,NaN\na,1,null,,N/A\na,2,NULL,#N/A,<NA>\na,3, None ,-nan,1\n",
        [("a", at, None, None, 1.0 if at == 3 else None, None) for at in range(4)],
    ),
    "no contact": (HEAD + "a,0,0,85,-999\na,1,255,-127,0\n", [("a", 0, *3 * [None], None), ("a", 1, None, None, 0, None)]),
    "labels": (
        labelled("1", "0", "1.0", "0.0", " 1 ", "", "NA", "nan"),
        [("a", at, 70, 34, 1, label) for at, label in enumerate([1, 0, 1, 0, 1, None, None, None])],
    ),
    "scientific notation": (HEAD + "a,1e1,7.05e1,+34,1.\n", [("a", 10, 70.5, 34, 1, None)]),
    "a column twice that is not looked at": (
        "subject,t,x,x,hr,temp,eda,,\na,0,1,2,70.5,34,1,,\na,1,,,71,34,1,,\n",
        SAME,
    ),
    "Unix milliseconds": (HEAD + "a,1795860000250,70,34,1\n", [("a", 1795860000.25, 70, 34, 1, None)]),
    "Unix milliseconds as Shimmer writes them": (
        HEAD + "a,1.595933810034E12,70,34,1\n",
        [("a", 1595933810.034, 70, 34, 1, None)],
    ),
    "Unix microseconds": (HEAD + "a,1795860000250000,70,34,1\n", [("a", 1795860000.25, 70, 34, 1, None)]),
    "Unix nanoseconds": (HEAD + "a,1795860000250000000,70,34,1\n", [("a", 1795860000.25, 70, 34, 1, None)]),
    "ISO 8601": (
        HEAD + "a,2024-03-01T08:00:00.5Z,70,34,1\na,2024-03-01 10:00:01+02:00,70,34,1\n",
        [("a", 1709280000.5, 70, 34, 1, None), ("a", 1709280001, 70, 34, 1, None)],
    ),
    "one sample a minute, Unix time": (
        HEAD + "".join(f"a,{1_700_000_000 + 60 * at},70,34,1\n" for at in range(150)),
        [("a", 1_700_000_000 + 60 * at, 70, 34, 1, None) for at in range(150)],
    ),
    "one sample a minute, ISO 8601": (
        HEAD + "".join(f"a,2024-03-01T08:{at:02}Z,70,34,1\n" for at in range(9)),
        [("a", 1709280000 + 60 * at, 70, 34, 1, None) for at in range(9)],
    ),
    "JSON Lines": (
        '{"subject":"a","t":0,"hr":70.5,"temp":34,"eda":1}\n\n{"subject":"a","t":1,"hr":71,"eda":1}\n',
        [SAME[0], ("a", 1, 71, None, 1, None)],
    ),
    "JSON Lines of Python": (
        '{"subject":"a","t":0,"hr":70.5,"temp":34,"eda":1}\n{"subject":"a","t":1,"hr":71,"temp":NaN,"eda":1}\n',
        [SAME[0], ("a", 1, 71, None, 1, None)],
    ),
    "an export": (
        EXPORT + "1,'-c,2024-03-01T08:00:00.000000+00:00,70,,,normal\n2,b,2024-03-01T08:00:00.000000+00:00,71,,,normal\n",
        [("-c", 1709280000, 70, None, None, None), ("b", 1709280000, 71, None, None, None)],
    ),
    "channels of an export that arrived apart": (
        EXPORT + "1,a,{0},70,,,normal\n2,b,{0},60,,,normal\n3,a,{0},71,34,,normal\n".format("2024-03-01T08:00:00Z"),
        [
            ("a", 1709280000, 70, 34, None, None),
            ("b", 1709280000, 60, None, None, None),
            ("a", 1709280000, 70, 34, None, None),
        ],
    ),
    "a subject beside a device": (
        "device_id,subject,t,timestamp,hr,temp,eda\nd,a,0,x,70.5,34,1\nd,a,1,x,71,34,1\n",
        SAME,
    ),
}
"""Each: the file, and its rows: subject, seconds, hr, temp, eda and label."""


@pytest.mark.parametrize(("content", "rows"), READ.values(), ids=READ)
def test_files_that_are_read(tmp_path: Path, content: Content, rows: Rows) -> None:
    found = [(r.subject, r.t_s, r.hr, r.temp, r.eda, r.label) for r in read_rows(written(tmp_path, content))]
    assert found == rows


REFUSED: dict[str, tuple[Content, str]] = {
    "too few cells": (HEAD + "a,0,70,33\n" + ROWS, "in.csv, line 2: 4 cells instead of 5: 'a,0,70,33'"),
    "cut off within a row": (
        GOOD + "a,2,7",
        "in.csv, line 4: 3 cells instead of 5: 'a,2,7'; it is the last line: the file may be cut off",
    ),
    "decimal commas between commas": (
        HEAD + "a,0,70,5,34,1\n",
        f"in.csv, line 2: 6 cells instead of 5: 'a,0,70,5,34,1'{COMMAS}",
    ),
    "too many cells with semicolons": (
        HEAD.replace(",", ";") + "a;0;70;34;1;x\n",
        "in.csv, line 2: 6 cells instead of 5: 'a;0;70;34;1;x'",
    ),
    "a column twice": (
        HEAD.replace("eda", "eda,HR"),
        "in.csv, line 1: the column hr is there twice; delete one of them, or rename it",
    ),
    "an underscore": (HEAD + "a,0,7_0,34,1\n", "in.csv, line 2, column hr: '7_0' is not a number"),
    "too large a number": (HEAD + "a,0,1e400,34,1\n", "in.csv, line 2, column hr: '1e400' is not a finite number"),
    "infinity": (HEAD + "a,0,70,-inf,1\n", "in.csv, line 2, column temp: '-inf' is not a finite number"),
    "digits of another script": (HEAD + "a,0,70,34,\u0661\n", "in.csv, line 2, column eda: '\u0661' is not a number"),
    "a unit": (GOOD + "a,2,70 bpm,34,1\n", "in.csv, line 4, column hr: '70 bpm' is not a number"),
    "a decimal comma in quotes": (
        HEAD + 'a,0,"70,5",34,1\n',
        "in.csv, line 2, column hr: '70,5' has a decimal comma; write a point, or separate the cells with semicolons",
    ),
    "points and commas": (
        "subject;t;hr;temp;eda\na;0;70;34,5;1\na;1;70.5;34;1\n",
        "in.csv, line 3, column hr: '70.5' has a decimal point, but line 2 a decimal comma; a file must have one of them",
    ),
    "thousands": ("subject;t;hr;temp;eda\na;0;70;34;1.000,5\n", "in.csv, line 2, column eda: '1.000,5' is not a number"),
    "no subject": (HEAD + ",1,70,33,1\n", "in.csv, line 2, column subject: empty; each row needs a name"),
    "no time": (HEAD + "a,,70,33,1\n", "in.csv, line 2, column t: empty; each row needs its time"),
    "a label in words": (labelled("1", "stress"), "in.csv, line 3, column label: 'stress' is none of 0, 1 and empty"),
    "a label of 2": (labelled("2"), "in.csv, line 2, column label: '2' is none of 0, 1 and empty"),
    "exercising in words": (
        "subject,t,hr,temp,eda,exercising\na,0,70,34,1,yes\n",
        "in.csv, line 2, column exercising: 'yes' is none of 0, 1 and empty",
    ),
    "a time of another country": (
        HEAD + "a,01.03.2024 08:00,70,34,1\n",
        "line 2, column t: '01.03.2024 08:00' is no time: it is neither ISO 8601 nor a number; write a number of seconds",
    ),
    "an underscore in a time": (HEAD + "a,1_000,70,34,1\n", "in.csv, line 2, column t: '1_000' is no time"),
    "two units of time": (
        HEAD + "a,1795860000,70,34,1\na,1795860001000,70,34,1\n",
        "in.csv, line 3, column t: '1795860001000' is a time in milliseconds, but line 2 has seconds",
    ),
    "ISO 8601 and numbers": (
        HEAD + "a,2024-03-01T08:00:00Z,70,34,1\nb,7,70,34,1\n",
        "in.csv, line 3, column t: '7' is a time in seconds, but line 2 has ISO 8601",
    ),
    "milliseconds from the start": (
        HEAD + MS,
        "in.csv, column t: it must be in seconds, and the steps here are 1000; if these are milliseconds, divide by 1000",
    ),
    "128 Hz in milliseconds": (
        HEAD + "".join(f"a,{7.8125 * at},70,34,1\n" for at in range(90)),
        "in.csv, column t: it must be in seconds, and the steps here are 7.8125; if these are milliseconds",
    ),
    "days of a spreadsheet": (
        HEAD + "".join(f"a,{45636.4375 + at / 86400:.9f},70,34,1\n" for at in range(90)),
        "in.csv, column t: it must be in seconds, and the steps here are 1.16e-05; if these are a spreadsheet's days",
    ),
    "a hundred steps of milliseconds, and a fault behind": (
        HEAD + "".join(f"a,{250 * at},70,34,1\n" for at in range(102)) + "x\n",
        "in.csv, column t: it must be in seconds, and the steps here are 250",
    ),
    "a comma too many": (
        HEAD + "a,0,70,34,1,\n",
        "in.csv, line 2: 6 cells instead of 5: 'a,0,70,34,1,'; delete the comma at the end",
    ),
    "row names of R": (
        HEAD + "1,a,0,70,34,1\n2,a,1,70,34,1\n",
        "in.csv, line 2: 6 cells instead of 5: '1,a,0,70,34,1'; R writes row names without a column's name",
    ),
    "a comment between the rows": (
        HEAD + "a,0,70,34,1\n# pause\na,9,70,34,1\n",
        "in.csv, line 3: 1 cells instead of 5: '# pause'; a comment can only stand before the first line",
    ),
    "not in order": (
        HEAD + "a,2,70,34,1\nb,1,70,34,1\na,1,70,34,1\n",
        "in.csv, line 4, column t: '1' is not after the subject's row before; sort the rows by time, one for each",
    ),
    "a time twice": (HEAD + "a,2,70,34,1\na,2,70,34,1\n", "in.csv, line 3, column t: '2' is not after the subject's row"),
    "an export that is not in order": (
        EXPORT + "1,a,2024-03-01T08:00:01Z,70,,,normal\n2,a,2024-03-01T08:00:00Z,70,,,normal\n",
        "in.csv, line 3, column timestamp: '2024-03-01T08:00:00Z' is not after the subject's row before",
    ),
    "the header again": (GOOD + GOOD, "in.csv, line 4: the header again; if two files were put together, delete it"),
    "a quote without its partner": (
        HEAD + 'a,0,"70,34,1\n' + ROWS,
        'in.csv, line 4: the file ends in a cell that began with a quote (") and has no end',
    ),
    "text behind a quote": (HEAD + 'a,0,"7"0,34,1\n', "in.csv, line 2: text behind the quote that ends a cell"),
    "a cell without end": (
        HEAD + "a,0," + "7" * 140_000,
        "in.csv, line 2: a cell of more than 131072 characters; is there a quote without its partner?",
    ),
    "zeros at the end": (
        GOOD + "\0" * 9,
        "line 4: bytes of zero, as a power cut leaves them in a file; delete this line",
    ),
    "zeros in a cell": (GOOD + "a,2,\0\0,34,1\n", "in.csv, line 4, column hr: bytes of zero, as a power cut leaves them"),
    "Latin-1": (
        GOOD.encode() + "Zo\u00eb,2,70,34,1\n".encode("latin-1"),
        "in.csv, line 4: the byte 0xeb is not UTF-8; save the file as UTF-8",
    ),
    "UTF-16 that is cut off": (
        GOOD.encode("utf-16")[:-1],
        "line 3: the byte 0x0a is not UTF-16; save the file as UTF-8",
    ),
    "UTF-16 without its mark": (
        GOOD.encode("utf-16-le"),
        "in.csv is UTF-16 text without the mark at its beginning: save it as UTF-8",
    ),
    "gzip that ends early": (
        gzip.compress(GOOD.encode())[:-4],
        "in.csv: the gzip data ends too early: the file is cut off after line 3; copy the file again",
    ),
    "gzip that is cut off at once": (
        gzip.compress(GOOD.encode())[:12],
        "in.csv: the gzip data ends too early: the file is cut off; copy the file again",
    ),
    "gzip with a wrong checksum": (
        gzip.compress(GOOD.encode())[:-8] + b"12345678",
        "in.csv: the gzip data is damaged after line 3; copy the file again",
    ),
    "gzip that is none": (b"\x1f\x8b\x08\x00" + b"x" * 300, "in.csv: the gzip data is damaged; copy the file again"),
    "gzip twice": (gzip.compress(gzip.compress(GOOD.encode())), "in.csv is compressed with gzip twice: unpack it once"),
    "no column eda": (
        "subject,t,hr,temp\na,1,70,33\n",
        f"in.csv, line 1: the column eda is missing; {NEEDED}; found: 'subject, t, hr, temp'",
    ),
    "columns by other names, behind a comment": (
        "# x\nparticipant;time;heart_rate;Temperature;GSR (uS)\n",
        (
            f"in.csv, line 2: the columns subject, t, hr, temp, eda are missing; {NEEDED}; "
            "found: 'participant, time, heart_rate, Temperature, GSR (uS)'; "
            "did you mean subject by participant, t by time, hr by heart_rate, temp by Temperature, eda by GSR (uS)?"
        ),
    ),
    "a mistyped column": (
        "subjcet,t,hr,temp,eda\n",
        f"the column subject is missing; {NEEDED}; found: 'subjcet, t, hr, temp, eda'; did you mean subject by subjcet?",
    ),
    "no header": (ROWS, f"in.csv, line 1: the first line must name the columns; {NEEDED}; found: 'a, 0, 70.5, 34, 1'"),
    "no header, numbers alone": (
        "1,0,70,34,1\n",
        f"in.csv is a table without a header, for its first line holds numbers alone: {TABLE}, named in the first line",
    ),
    "a separator that is none": ("subject|t|hr|temp|eda\n", "found: 'subject|t|hr|temp|eda'"),
    "what predict writes": (
        "subject,t,p_stress,level\na,0,0.5,normal\n",
        "', which is what stresswire predict writes",
    ),
    "nothing": ("", "in.csv: the file is empty"),
    "blank lines alone": ("\n \n", "in.csv: the file is empty"),
    "comments alone": ("# nothing\n", "in.csv: no rows, only comments"),
    "a header alone": (HEAD, "in.csv: no rows"),
    "a line without end": ("x" * 70_000, "in.csv, line 1: no header, for it is longer than 65536 characters"),
    "E4, one channel": ("1560279835.000000\n1.000000\n93.00\n101.00\n", E4),
    "E4, acceleration": ("1560279825.0, 1560279825.0, 1560279825.0\n32.0, 32.0, 32.0\n1,2,3\n", E4),
    "E4, beats": (
        "1560279825.0, IBI\n83.503,0.609\n",
        f"is an Empatica E4's IBI.csv, the intervals between beats: {TABLE}",
    ),
    "OpenSignals": (
        '# OpenSignals Text File Format. Version 1\n# {"x": 1}\n# EndOfHeader\n0\t0\t512\t\n',
        f"in.csv is an OpenSignals file of a BITalino or biosignalsplux, with raw values: {TABLE}",
    ),
    "EmotiBit": ("1000,1,1,RB,1,100,x\n", f"in.csv is a raw file of an EmotiBit: {TABLE}"),
    "Excel": (b"PK\x03\x04\x14\0\0\0[Content_Types].xml", "in.csv is an Excel workbook: save the sheet as CSV (UTF-8)"),
    "an old Excel": (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0",
        "is a workbook of an old Excel: save the sheet as CSV (UTF-8)",
    ),
    "LibreOffice": (
        b"PK\x03\x04\0\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet",
        "in.csv is an OpenDocument spreadsheet: save the sheet as CSV (UTF-8)",
    ),
    "zip": (b"PK\x03\x04\0\0HR.csv", "in.csv is a zip archive: unpack it first"),
    "bzip2": (b"BZh91AY", "in.csv is compressed with bzip2: unpack it, or compress it with gzip"),
    "EDF": (b"0       X X X X", f"in.csv is an EDF file: {TABLE}"),
    "FIT": (b"\x0e\x20\x5c\x08\x91\0\0\0.FIT", f"in.csv is a FIT file, as sports watches give it: {TABLE}"),
    "Avro": (b"Obj\x01\x04", f"in.csv is an Avro file, as an EmbracePlus gives it: {TABLE}"),
    "XDF": (b"XDF:\x01", f"in.csv is an XDF file of the Lab Streaming Layer: {TABLE}"),
    "Parquet": (b"PAR1\x15", "in.csv is a Parquet file: stresswire export writes .csv and .jsonl too, which can be read"),
    "a database": (b"SQLite format 3\0", "in.csv is a SQLite database: stresswire export FILE.csv writes the readings"),
    "other bytes": (b"\0\0\x2a\0\0\0\xa0\x0b\0\0", f"in.csv is no text, for it has bytes of zero: {TABLE}"),
    "a pointer of Git LFS": (
        "version https://git-lfs.github.com/spec/v1\n",
        "is a pointer of Git LFS and not the file",
    ),
    "a web page": ("<!DOCTYPE html>\n<html>", "in.csv is a web page: perhaps a login or a page about the file was saved"),
    "XML": ('<?xml version="1.0"?>\n', f"in.csv is XML: {TABLE}"),
    "JSON": ('{\n  "subject": "a"\n}\n', "in.csv is JSON, but not JSON Lines, with a whole object on each line"),
    "a JSON array": ('[{"subject": "a"}]', f"in.csv is a JSON array: {TABLE}, or JSON Lines with one object a line"),
    "JSON Lines with another name": (
        '{"subject":"a","t":0,"hr":1,"temp":1,"eda":1}\n{"subject":"a","t":1,"hr":1,"temp":1,"edda":1}\n',
        "in.csv, line 2: there is no 'edda' in the file's first line",
    ),
    "JSON Lines that are cut off": (
        '{"subject":"a","t":0,"hr":1,"temp":1,"eda":1}\n{"subject":"a","t',
        """in.csv, line 2: not a JSON object: '{"subject":"a","t'""",
    ),
    "one name for two people": (
        "subject,t,hr,temp,eda,source\na,0,70,34,1,one\na,1,70,34,1,two\n",
        "subject 'a' is of one and of two; two people need two names, and two recordings of one person a column session",
    ),
}
"""Each: the file, and the beginning or end of what is said of it."""


@pytest.mark.parametrize(("content", "message"), REFUSED.values(), ids=REFUSED)
def test_files_that_are_refused(tmp_path: Path, content: Content, message: str) -> None:
    with pytest.raises(RecordingError) as caught:
        read_recordings(written(tmp_path, content))
    text = str(caught.value).removeprefix(f"{tmp_path}/")
    assert text.startswith("in.csv")
    assert message in text
    assert "\n" not in text


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"in\.csv: No such file or directory"):
        read_recordings(tmp_path / "in.csv")


def test_what_is_no_contact_is_told(tmp_path: Path) -> None:
    text = HEAD + "a,0,70,34,1\na,1,0,207.9,1\na,2,-1,235,100.5\n"
    told: list[str] = []
    path = written(tmp_path, text)
    read_recordings(path, told.append)
    assert told == [
        f"{path}: taken as no contact: 2 of hr, the first in line 3: 0",
        f"{path}: taken as no contact: 2 of temp outside 10-45 degrees Celsius, the first in line 3: 207.9",
        f"{path}: taken as no contact: 1 of eda outside 0-100 microsiemens, the first in line 4: 100.5",
    ]


def test_rows_at_one_time_of_an_export_are_told(tmp_path: Path) -> None:
    text = EXPORT + "".join(f"{at},a,2024-03-01T08:00:00Z,7{at},,,normal\n" for at in range(3))
    left_out = LeftOut()
    path = written(tmp_path, text)
    assert [row.hr for row in read_rows(path, left_out)] == [70, 70, 70]
    assert left_out.lines() == ["taken as one sample with another of the same device and time: 2 of the rows"]
    (recording,) = read_recordings(path)
    assert len(recording.rows) == 1


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    out.write_text("old")
    rows = read_rows(written(tmp_path, HEAD + "a,1,70,33,1\na,2,x,33,1\n"))
    with pytest.raises(RecordingError, match="line 3"):
        write_predictions(out, ((row, 0.5, "normal") for row in rows))
    assert out.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]
    with pytest.raises(RecordingError, match="nowhere"):
        write_predictions(tmp_path / "nowhere" / "out.csv", [])
