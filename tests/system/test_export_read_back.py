"""Exports read by `predict`, `replay`, `train` and `evaluate`: of a record with late data, resends, and channels apart."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import assert_one_line
from tests.support.command_server import stresswire
from tests.support.harness import Stack, free_port
from tests.support.people import ask
from tests.support.streams import lively

START_S = 1_700_000_000
SECONDS = 150


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the record of three devices."""
    folder = tmp_path_factory.mktemp("record")
    with Stack(folder) as stack:
        steady = [sample("steady", at) for at in range(SECONDS)]
        post(stack, steady)
        post(stack, steady[-20:])  # sent again
        late = [sample("-late", at) for at in range(0, SECONDS, 2)]
        post(stack, late)
        post(stack, [sample("-late", at) for at in range(1, SECONDS, 2)])
        for at in range(20):
            post(stack, [{**sample("apart", at), "seq": 3 * at + step, **only} for step, only in enumerate(APART)])
        yield folder


APART: list[dict[str, Any]] = [{"temp": None, "eda": None}, {"hr": None, "eda": None}, {"hr": None, "temp": None}]


def sample(device_id: str, at: int) -> dict[str, Any]:
    _, hr, temp, eda = lively(SECONDS)[at]
    stamp = START_S + at + (0.25 if at % 3 else 0)
    return {"device_id": device_id, "hr": hr, "temp": temp, "eda": eda, "timestamp": stamp, "boot": "b", "seq": at}


def post(stack: Stack, samples: list[dict[str, Any]]) -> None:
    assert ask(stack, "POST", "/api/esp32/data", samples).status in (200, 201)


def exported(folder: Path, name: str, *options: str) -> Path:
    out = folder / name
    out.unlink(missing_ok=True)
    done = stresswire(folder, "export", name, *options)
    assert done.returncode == 0, done.stderr
    return out


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_every_reading_is_scored(record: Path, kind: str) -> None:
    out = exported(record, f"all.{kind}")
    done = stresswire(record, "predict", out.name, "scored.csv")
    assert done.returncode == 0, done.stderr
    assert f"{out.name}: taken as one sample with another of the same device and time: 40 of the rows" in done.stderr
    readings = table(out) if kind == "csv" else [json.loads(line) for line in out.read_text().splitlines()]
    scored = table(record / "scored.csv")
    assert [(one["subject"], one["t"]) for one in scored] == [
        (one["device_id"].removeprefix("'"), one["timestamp"]) for one in readings
    ]
    assert len(scored) == 2 * SECONDS + 60
    # What came in order is scored as it was live.
    live = {one["timestamp"]: float(one["stress_probability"]) for one in readings if one["device_id"] == "steady"}
    offline = {one["t"]: float(one["p_stress"]) for one in scored if one["subject"] == "steady"}
    assert offline == pytest.approx(live, abs=1e-4)


def test_all_times_of_an_export_have_one_width(record: Path) -> None:
    assert {len(one["timestamp"]) for one in table(exported(record, "width.csv"))} == {32}


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_an_export_is_replayed(record: Path, tmp_path: Path, kind: str) -> None:
    out = exported(record, f"replayed.{kind}")
    bind = f"127.0.0.1:{free_port()}"
    with Stack(tmp_path, mqtt_bind=bind) as stack:
        done = stresswire(tmp_path, "replay", str(out), "--speed", "600", mqtt_bind=bind)
        assert done.returncode == 0, done.stderr
        samples = 2 * SECONDS + 20
        assert f"3 people, {samples} samples sent, {samples} stored, 0 refused" in done.stdout
        counts = stack.rows("SELECT device_id, count(*), count(hr), count(temp), count(eda) FROM history_stress GROUP BY 1")
        assert sorted(counts) == [("-late", *4 * [SECONDS]), ("apart", *4 * [20]), ("steady", *4 * [SECONDS])]


def test_an_export_with_a_column_label_is_evaluated(record: Path) -> None:
    rows = table(exported(record, "plain.csv", "--device", "steady"))
    with (record / "labelled.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "label"])
        writer.writeheader()
        writer.writerows({**row, "label": int(at > 75)} for at, row in enumerate(rows))
    done = stresswire(record, "evaluate", "labelled.csv", "--jobs", "1")
    assert done.returncode == 0, done.stderr
    assert '"roc_auc"' in done.stdout


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_an_export_without_labels_says_where_they_are(record: Path, command: str) -> None:
    out = exported(record, "unlabelled.csv")
    assert_one_line(stresswire(record, command, out.name), "unlabelled.csv: rows with label 0 and", "train --from-db")


def test_a_parquet_export_says_which_can_be_read(record: Path) -> None:
    out = exported(record, "out.parquet")
    assert_one_line(
        stresswire(record, "predict", out.name, "scored.csv"), "out.parquet is a Parquet file", ".csv and .jsonl"
    )
