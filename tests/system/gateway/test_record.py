"""The record over HTTP: pages, overviews, exports, for whom it is."""

import csv
import gzip
import io
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from broker.contract import HISTORY_MAX
from storage.export import CHUNK, COLUMNS
from tests.support.command_line import assert_one_line
from tests.support.command_server import stresswire
from tests.support.harness import Stack, wait_until
from tests.support.people import Guarded, Reply, ask

READINGS = 7_000
BATCH = 500


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack with some readings of three devices, more than a chunk of an export."""
    with Stack(tmp_path_factory.mktemp("full")) as stack:
        for first in range(0, READINGS, BATCH):
            samples = [
                {"hr": 60 + at % 50, "eda": 0.5, "boot": "b", "seq": at, "timestamp": 1_700_000_000 + at}
                for at in range(first, first + BATCH)
            ]
            device_id = ("a", "b", "-c")[first // BATCH % 3]
            reply = ask(stack, "POST", "/api/esp32/data", [{**one, "device_id": device_id} for one in samples])
            assert reply.status == 201
        yield stack


def get(stack: Stack, path: str, **headers: str) -> Reply:
    return ask(stack, "GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})


# --- pages and overviews


def test_pages_follow_each_other(full: Stack) -> None:
    first = get(full, "/api/history?limit=3").body
    assert first["count"] == len(first["data"]) == 3
    second = get(full, f"/api/history?limit=3&cursor={first['next']}").body
    ids = [one["id"] for one in first["data"] + second["data"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 6
    assert get(full, f"/api/history?after_id={ids[2]}").body["data"] == first["data"][1::-1]
    assert "next" not in get(full, f"/api/history?after_id={ids[0]}").body


def test_an_overview_draws_everything(full: Stack) -> None:
    found = get(full, "/api/history?resolution=auto").body
    assert sum(one["count"] for one in found["buckets"]) == READINGS
    assert found["bucket_s"] == 60
    assert all(one["temp"] is None and 60 <= one["hr"]["mean"] <= 110 for one in found["buckets"])
    of_one = get(full, "/api/history?resolution=hour&device_id=a").body
    assert sum(one["count"] for one in of_one["buckets"]) == 2_500


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        (f"limit={HISTORY_MAX + 1}", "limit"),
        ("limit=many", "limit"),
        ("start_date=yesterday", "start_date"),
        ("end_date=" + "9" * 41, "end_date"),
        ("device_id=a.b", "device_id"),
        ("cursor=x", "cursor"),
        ("after_id=-1", "after_id"),
        ("resolution=second", "resolution"),
        ("resolution=minute&start_date=2020-01-01", "resolution"),
    ],
)
def test_a_question_that_cannot_be_answered_names_the_field(full: Stack, query: str, field: str) -> None:
    reply = get(full, f"/api/history?{query}")
    assert (reply.status, reply.body["error"]["field"]) == (400, field), reply.body


def test_what_has_not_changed_is_not_sent_again(full: Stack) -> None:
    first = get(full, "/api/history?limit=5")
    tag = first.headers["ETag"]
    again = get(full, "/api/history?limit=5", If_None_Match=tag)
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert get(full, "/api/history?limit=6", If_None_Match=tag).status == 200


def test_it_is_compressed_where_the_client_takes_that(full: Stack) -> None:
    packed = get(full, "/api/history?limit=1000", Accept_Encoding="gzip")
    assert packed.headers["Content-Encoding"] == "gzip"


# --- exports


def test_csv_has_every_reading_oldest_first(full: Stack) -> None:
    reply = get(full, "/api/export")
    assert reply.headers["Content-Type"].startswith("text/csv")
    assert 'filename="stresswire.csv"' in reply.headers["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))
    assert len(rows) == READINGS > CHUNK
    assert tuple(rows[0]) == COLUMNS
    assert [int(one["seq"]) for one in rows] == list(range(READINGS))
    assert float(rows[9]["hr"]) == 69
    assert rows[9]["temp"] == ""


def test_a_name_that_a_spreadsheet_would_calculate_is_text(full: Stack) -> None:
    rows = csv.DictReader(io.StringIO(get(full, "/api/export?device_id=-c").body.decode(), newline=""))
    assert {one["device_id"] for one in rows} == {"'-c"}


def test_json_lines_and_parquet_say_the_same(full: Stack) -> None:
    packed = get(full, "/api/export?format=jsonl", Accept_Encoding="gzip")
    lines = [json.loads(line) for line in gzip.decompress(packed.body).decode().splitlines()]
    file = pyarrow.parquet.ParquetFile(io.BytesIO(get(full, "/api/export?format=parquet").body))
    assert file.num_row_groups == 1 < READINGS / CHUNK
    table = file.read()
    assert tuple(table.column_names) == COLUMNS
    assert table.num_rows == len(lines) == READINGS
    for name in ("id", "device_id", "hr", "temp", "stress_probability", "quality"):
        assert table[name].to_pylist() == [one[name] for one in lines]
    assert str(table.schema.field("timestamp").type) == "timestamp[us, tz=UTC]"


def test_an_export_is_of_a_device_and_a_range(full: Stack) -> None:
    lines = get(full, "/api/export?format=jsonl&device_id=a&end_date=2023-11-14T22:13:30Z").body.decode().splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(11))


def test_who_goes_away_in_the_middle_takes_no_place(full: Stack) -> None:
    for _ in range(6):
        with socket.create_connection(("127.0.0.1", full.http_port)) as client:
            client.sendall(b"GET /api/export?format=jsonl HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert client.recv(10)
    # The server hears of it a moment later.
    wait_until(lambda: get(full, "/api/export?device_id=a").status == 200)


# --- at the command line


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_command_writes_the_same_file(full: Stack, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"out.{kind}"
    done = stresswire(full.database.parent.parent, "export", str(out), "--device", "b")
    assert (done.returncode, done.stdout) == (0, f"2500 readings in {out}\n"), done.stderr
    assert out.stat().st_mode & 0o777 == 0o600
    served = get(full, f"/api/export?format={kind}&device_id=b").body
    if kind == "parquet":
        assert pyarrow.parquet.read_table(out).equals(pyarrow.parquet.read_table(io.BytesIO(served)))
    else:
        assert out.read_bytes() == served


def test_a_command_that_cannot_write_says_why(full: Stack, tmp_path: Path) -> None:
    folder = full.database.parent.parent
    (tmp_path / "there.csv").write_text("mine")
    assert_one_line(stresswire(folder, "export", str(tmp_path / "there.csv")), "there.csv", "exists")
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert_one_line(stresswire(folder, "export", str(tmp_path / "out.xls")), ".csv", ".parquet")
    nobody = stresswire(folder, "export", str(tmp_path / "out.csv"), "--device", "nobody")
    assert_one_line(nobody, "there are no readings of a device 'nobody'")
    assert not (tmp_path / "out.csv").exists()
    assert_one_line(stresswire(folder, "export", str(tmp_path / "out.csv"), "--start", "soon"), "start_date")


def test_parquet_without_its_package_says_what_to_install(full: Stack, tmp_path: Path) -> None:
    hidden = "import sys; sys.modules['pyarrow'] = None; from stresswire.cli.main import main; main()"
    command = [sys.executable, "-c", hidden, "export", str(tmp_path / "out.parquet")]
    done = subprocess.run(command, cwd=full.database.parent.parent, capture_output=True, text=True, timeout=60, check=False)
    assert_one_line(done, "stresswire[parquet]")


# --- for whom it is


def test_nobody_is_told_of_what_they_may_not_see(tmp_path: Path) -> None:
    made = Guarded(tmp_path)
    with made.stack:
        for name in ("alice", "bob"):
            assert made.ask("POST", "/api/esp32/data", name, {"hr": 70}).status == 201
        for path in ("/api/history?", "/api/history?after_id=0&"):
            assert {one["device_id"] for one in made.ask("GET", path, "vera").body["data"]} == {"alice", "bob"}
            assert {one["device_id"] for one in made.ask("GET", path, "lim").body["data"]} == {"alice"}
            assert made.ask("GET", f"{path}device_id=bob", "lim").body["data"] == []
        assert sum(one["count"] for one in made.ask("GET", "/api/history?resolution=day", "lim").body["buckets"]) == 1
        assert b"bob" not in made.ask("GET", "/api/export", "lim").body
        assert b"bob" in made.ask("GET", "/api/export", "vera").body
