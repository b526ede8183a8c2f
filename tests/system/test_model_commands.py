"""One's own model from one's own record, and the doctor: as a user types it."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from stresswire.simulate import person
from tests.support.command_line import assert_one_line
from tests.support.command_server import stresswire
from tests.support.harness import Stack, free_port
from tests.support.people import ask
from tests.support.streams import write_exercise, write_recording

START_S = 1_700_000_000
CALM_S, STRESS_S, CYCLES = 150, 120, 5


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the record of a person who said five times what was calm and what was stress, and a moment of it."""
    folder = tmp_path_factory.mktemp("recorded")
    with Stack(folder) as stack:
        states = list(islice(person(0, calm_s=CALM_S, stress_s=STRESS_S), CYCLES * (CALM_S + STRESS_S)))
        samples = [
            {
                "hr": one.hr,
                "temp": one.temp,
                "eda": one.eda,
                "timestamp": START_S + t,
                "boot": "b",
                "seq": t,
                "device_id": "me",
            }
            for t, one in enumerate(states)
        ]
        for first in range(0, len(samples), 500):
            assert ask(stack, "POST", "/api/esp32/data", samples[first : first + 500]).status == 201
        for cycle in range(CYCLES):
            start = START_S + cycle * (CALM_S + STRESS_S)
            annotate(stack, start, start + CALM_S - 1, "calm")
            annotate(stack, start + CALM_S, start + CALM_S + STRESS_S - 1, "Stress")
        annotate(stack, START_S + 100, None, "lunch")
        assert ask(stack, "POST", "/api/esp32/data", {"hr": 70, "device_id": "other"}).status == 201
    return folder


def annotate(stack: Stack, start: int, end: int | None, label: str) -> None:
    body: dict[str, Any] = {"device_id": "me", "label": label, "start": iso(start)}
    assert ask(stack, "POST", "/api/annotations", body | ({} if end is None else {"end": iso(end)})).status == 201


def iso(t_s: int) -> str:
    return datetime.fromtimestamp(t_s, UTC).isoformat()


def test_own_labels_choose_a_version_and_rollback_takes_it_back(recorded: Path) -> None:
    done = stresswire(recorded, "train", "--from-db")
    assert done.returncode == 0, done.stderr
    assert f"in {2 * CYCLES} spans" in done.stdout
    version = next(path.name for path in (recorded / "var" / "models").iterdir() if path.is_dir())
    assert f"{version} is used from the next start on" in done.stdout
    listed = stresswire(recorded, "model", "list").stdout.splitlines()
    assert listed[0] == "  shipped"
    assert listed[1].startswith(f"* {version}  adapted from 2-")
    with Stack(recorded) as stack:
        assert f"ok, {version}" in str(ask(stack, "GET", "/api/system/status").body)
    back = stresswire(recorded, "model", "rollback")
    assert back.stdout.strip() == "the shipped model is used from the next start on"
    assert stresswire(recorded, "model", "list").stdout.splitlines()[0] == "* shipped"
    assert stresswire(recorded, "model", "use", version).returncode == 0
    assert stresswire(recorded, "model", "rollback").returncode == 0


def test_what_cannot_be_adapted_is_one_line(recorded: Path, tmp_path: Path) -> None:
    assert_one_line(
        stresswire(recorded, "train", "--from-db", "--device", "other"), "no annotations such as stress or calm"
    )
    assert_one_line(stresswire(tmp_path, "train", "--from-db"), "no annotations")
    assert_one_line(stresswire(tmp_path, "train"), "needs a file of labelled recordings, or --from-db")
    assert_one_line(stresswire(tmp_path, "model", "rollback"), "nothing to go back to")
    assert_one_line(stresswire(tmp_path, "model", "use", "x"), "there is no version 'x'")


def test_training_a_file_keeps_a_version_with_its_card(tmp_path: Path) -> None:
    recording = write_recording(tmp_path / "small.csv.gz")
    exercise = write_exercise(tmp_path / "exercise.csv")
    done = stresswire(tmp_path, "train", recording.name, "--exercise", exercise.name)
    assert done.returncode == 0, done.stderr
    (folder,) = (path for path in (tmp_path / "var" / "models").iterdir() if path.is_dir())
    assert f"stresswire model use {folder.name}" in done.stdout
    assert "fold 1 of 5" in done.stderr
    assert (folder / "MODEL_CARD.md").is_file()
    assert stresswire(tmp_path, "model", "use", folder.name).returncode == 0
    evaluated = stresswire(tmp_path, "evaluate", recording.name)
    assert f'"model_version": "{folder.name}"' in evaluated.stdout
    predicted = stresswire(tmp_path, "predict", recording.name, "out.csv")
    assert predicted.returncode == 0, predicted.stderr
    assert_one_line(
        stresswire(tmp_path, "predict", recording.name, "out.csv", stress_prior="0.99"), "prior must be above 0"
    )
    assert_one_line(stresswire(tmp_path, "predict", recording.name, "out.csv", stress_prior="2"), "STRESS_PRIOR")


def test_the_doctor_finds_what_is_wrong(recorded: Path, tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    done = stresswire(recorded, "doctor", mqtt_bind=nobody)
    lines = done.stdout.splitlines()
    assert [line[:4] for line in lines[:4]] == ["ok  "] * 4, done.stdout
    assert any("drift" in line and "hr: " in line and "(newest 1351 readings)" in line for line in lines)
    # One simulated person is not 52 people in a laboratory, and the doctor says so.
    assert "large shift" in done.stdout
    assert done.returncode == 1
    empty = tmp_path / "empty"
    empty.mkdir()
    sick = stresswire(tmp_path, "doctor", model_dir=str(empty), mqtt_url=f"mqtt://{nobody}")
    assert sick.returncode == 1
    assert "BAD  model" in sick.stdout
    assert "BAD  broker     nothing listens" in sick.stdout
    assert "does not exist yet" in sick.stdout
    assert not (tmp_path / "var").exists(), "the doctor changes nothing"
    no_url = stresswire(tmp_path, "doctor", database_url="nonsense")
    assert "BAD  database   DATABASE_URL is no URL" in no_url.stdout
    assert "Traceback" not in done.stderr + sick.stderr + no_url.stderr
