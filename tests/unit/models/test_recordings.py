"""Reading recordings: what is missing contact, what is an error, and that errors say where."""

import gzip
from pathlib import Path

import pytest

from models.recordings import RecordingError, read_recordings, read_rows, write_predictions

HEAD = "subject,t,hr,temp,eda\n"


def written(tmp_path: Path, text: str, name: str = "in.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


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


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    assert len(list(read_rows(written(tmp_path, "\ufeff" + HEAD + "a,1,70,33,1\n")))) == 1


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("subject,t,hr,temp\na,1,70,33\n", "line 1: the column eda is missing"),
        ("", "line 1: the column subject is missing"),
        (HEAD + "a,1,70,33,1\na,2,fast,33,1\n", "line 3, column hr: 'fast' is not a number"),
        (HEAD + "a,1,70,33,nan\n", "line 2, column eda: 'nan' is not a finite number"),
        (HEAD + "a,,70,33,1\n", "line 2, column t: empty"),
        (HEAD + ",1,70,33,1\n", "line 2, column subject: empty"),
        (HEAD + "a,1,70,33\n", "line 2: 4 cells instead of 5"),
        (HEAD + "a,2,70,33,1\nb,1,70,33,1\na,2,70,33,1\n", "line 4, column t: 2 is not after"),
        ("subject,t,hr,temp,eda,label\na,1,70,33,1,2\n", "line 2, column label: '2'"),
        (HEAD, "no rows"),
    ],
)
def test_errors_name_file_line_and_column(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(RecordingError) as caught:
        read_recordings(written(tmp_path, text))
    assert "in.csv" in str(caught.value)
    assert where in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", [None, b"not gzip", gzip.compress(b"subject,t", mtime=0)[:-4], gzip.compress(b"\xff\xfe", mtime=0)]
)
def test_unreadable_files(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "in.csv.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"in\.csv\.gz"):
        read_recordings(path)


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
