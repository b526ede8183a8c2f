"""Training end to end on a small generated recording, and what it leaves behind."""

import csv
import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest

from models.alert_evaluation import Timeline, figures, run
from models.alerts import AlertPolicy
from models.card import read_card
from models.dataset import build_dataset, without
from models.errors import ModelError
from models.estimator import person_folds
from models.evaluation import evaluate
from models.features import FEATURES, FeatureState
from models.fitting import choose_thresholds
from models.metrics import calibration_error
from models.offline import predict_file
from models.predictor import Predictor, Reading
from models.recordings import read_recordings, read_rows
from models.training import train
from tests.models.streams import write_recording


def quiet(_: str) -> None:
    """No progress."""


def test_the_card_tells_what_it_is(trained: Path, recording: Path) -> None:
    card = read_card(trained)
    assert card.artefact_sha256 == hashlib.sha256((trained / "stress.joblib").read_bytes()).hexdigest()
    assert card.data.sha256 == hashlib.sha256(recording.read_bytes()).hexdigest()
    assert (card.data.people, card.data.rows, card.data.sources) == (6, 6 * 480, ("one", "two"))
    assert card.features == FEATURES
    assert 0 < card.t1 < card.t2 < 1
    assert card.scores.roc_auc > 0.7
    assert card.scores.roc_auc_by_person.people == 5
    assert card.alert_policy.clear_at < card.alert_policy.raise_at


def test_the_text_carries_every_figure(trained: Path) -> None:
    card, text = read_card(trained), (trained / "MODEL_CARD.md").read_text()
    for said in (
        f"{card.scores.roc_auc:.3f}",
        f"{card.scores.ece:.3f}",
        card.artefact_sha256,
        "not a\nmedical device",
        "one, two",
    ):
        assert said in text


def test_training_again_gives_the_same_model(trained: Path, recording: Path, tmp_path: Path) -> None:
    again = train(recording, tmp_path / "new" / "folder", progress=quiet)
    assert again == read_card(trained)


def test_too_few_people(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="at least 5"):
        train(write_recording(tmp_path / "few.csv.gz", people=4, seconds=150), tmp_path, progress=quiet)


def test_nobody_is_on_both_sides() -> None:
    people = np.repeat([f"p{i}" for i in range(12)], 5)
    held = []
    for train_rows, test_rows in person_folds(people, 5):
        assert not set(people[train_rows]) & set(people[test_rows])
        held += test_rows.tolist()
    assert sorted(held) == list(range(60))


def test_evaluating_says_whether_it_was_seen(trained: Path, recording: Path, tmp_path: Path) -> None:
    seen = evaluate(recording, trained, quiet)
    assert seen.seen_in_training
    assert seen.scores.roc_auc > 0.8
    assert seen.model_version == read_card(trained).version
    other = evaluate(write_recording(tmp_path / "other.csv.gz", people=3), trained, quiet)
    assert not other.seen_in_training
    assert other.alerts.episodes > 0


def test_evaluating_needs_labels(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("subject,t,hr,temp,eda\na,1,70,33,1\n")
    with pytest.raises(ModelError, match="label"):
        evaluate(tmp_path / "in.csv", trained, quiet)


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_predicting_gives_one_row_for_each(trained: Path, recording: Path, tmp_path: Path, name: str) -> None:
    assert predict_file(recording, tmp_path / name, Predictor.load(trained), quiet) == 6 * 480
    content = (tmp_path / name).read_bytes()
    lines = list(csv.reader((gzip.decompress(content) if name.endswith("gz") else content).decode().splitlines()))
    assert lines[0] == ["subject", "t", "p_stress", "level"]
    assert [tuple(line[:2]) for line in lines[1:]] == [(row.subject, row.t) for row in read_rows(recording)]
    assert {line[3] for line in lines[1:]} == {"normal", "elevated", "high_stress"}
    assert all(0 <= float(line[2]) <= 1 for line in lines[1:])


def test_predicting_a_file_is_what_live_readings_give(trained: Path, recording: Path, tmp_path: Path) -> None:
    """Subjects mixed in one file, against one at a time with one reading a call."""
    predictor = Predictor.load(trained)
    rows = [row for recording in read_recordings(recording)[:2] for row in recording.rows[:150]]
    rows.sort(key=lambda row: row.t_s)
    mixed = tmp_path / "mixed.csv"
    mixed.write_text("subject,t,hr,temp,eda\n" + "".join(f"{r.subject},{r.t},{r.hr},{r.temp},{r.eda}\n" for r in rows))
    predict_file(mixed, tmp_path / "out.csv", predictor, quiet)
    offline = [line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    states = {"p0": FeatureState(), "p1": FeatureState()}
    for row, line in zip(rows, offline, strict=True):
        (live,) = predictor.score([Reading(states[row.subject], row.t_s, row.hr, row.temp, row.eda)])
        assert (f"{live.probability:.6f}", live.level) == (line[2], line[3])


def test_rows_without_a_label_run_through_the_windows(recording: Path) -> None:
    data = build_dataset(read_recordings(recording))
    assert len(data.y) == 6 * 480
    assert (~data.labelled).sum() == 6 * 5
    assert data.age_s.max() == 479


def test_without_a_channel() -> None:
    x = without(np.ones((2, len(FEATURES))), "temp")
    assert [name for name, value in zip(FEATURES, x[0], strict=True) if np.isnan(value)] == ["temp_60_slope", "temp_60_300"]


def test_calibration_error() -> None:
    y = np.array([0, 0, 0, 1])
    assert calibration_error(y, np.full(4, 0.25)) == 0
    assert calibration_error(y, np.full(4, 0.75)) == pytest.approx(0.5)
    assert calibration_error(y, np.array([0.0, 0.0, 0.0, 1.0])) == 0


def test_thresholds() -> None:
    p = np.linspace(0, 1, 2001)
    y = (np.random.default_rng(0).random(2001) < p).astype(np.int64)
    t1, t2 = choose_thresholds(y, p)
    assert t1 == pytest.approx(0.5, abs=0.06)
    assert t2 > t1
    assert y[p >= t2].mean() >= 0.65
    noise = choose_thresholds(np.arange(2000) % 2, np.full(2000, 0.3))
    assert noise.t1 < noise.t2


def test_alerts_are_counted_by_episode() -> None:
    policy = AlertPolicy(tau_s=15, raise_at=0.6, clear_at=0.4, cooldown_s=10, rest=0.3)
    p = [0.1] * 60 + [0.9] * 60 + [0.1] * 60 + [0.9] * 60 + [0.1] * 60 + [0.9] * 60
    y = [0] * 60 + [1] * 60 + [0] * 60 + [0] * 60 + [0] * 60 + [-1] * 40 + [1] * 20
    seen = figures([run(policy, Timeline([float(t) for t in range(360)], p, y, [True] * 360))])
    assert (seen.episodes, seen.found, seen.covered, seen.false_alerts) == (2, 1, 2, 1)
    assert seen.calm_hours == pytest.approx(239 / 3600)
    assert seen.median_delay_s is not None
    assert 10 <= seen.median_delay_s <= 20
