"""Training end to end on a small generated recording, and what it leaves behind."""

import csv
import gzip
import hashlib
import math
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from models.batch import predict_file
from models.errors import ModelError
from models.features.names import FEATURES
from models.features.state import FeatureState
from models.recordings import Recording, Row, read_recordings, read_rows
from models.serving.alerts import AlertPolicy
from models.serving.artefact import pin_path
from models.serving.card import Spread, read_card
from models.serving.levels import Thresholds, level_of
from models.serving.predictor import Predictor, Reading
from models.training.alert_scores import Timeline, figures, run
from models.training.dataset import EXERCISE_WEIGHT, UNLABELLED, build_dataset, without
from models.training.estimator import person_folds, roc_auc
from models.training.evaluation import evaluate
from models.training.fitting import FIT_STEPS, LOST, choose_thresholds, fit
from models.training.perturbations import OTHER_SENSORS
from models.training.progress import Steps
from models.training.scores import calibration_error, reliability
from models.training.train import Sources, train
from models.training.workers import Workers
from tests.support.streams import write_recording


def quiet(*_: object) -> None:
    """No progress."""


def test_the_card_tells_what_it_is(trained: Path, sources: Sources) -> None:
    card = read_card(trained)
    assert sources.exercise is not None
    assert card.artefact_sha256 == hashlib.sha256((trained / "stress.npz").read_bytes()).hexdigest()
    assert card.data.sha256 == hashlib.sha256(sources.recordings.read_bytes()).hexdigest()
    assert card.data.exercise_sha256 == hashlib.sha256(sources.exercise.read_bytes()).hexdigest()
    assert (card.data.people, card.data.rows, card.data.sources) == (6, 6 * 480, ("one", "two"))
    assert card.features == FEATURES
    assert 0 < card.t1 < card.t2 < 1
    assert card.scores.roc_auc > 0.7
    assert card.scores.roc_auc_by_person.people == 5
    assert card.alert_policy.clear_at < card.alert_policy.raise_at
    assert card.exercise is not None
    assert (card.exercise.rows, card.exercise.people) == (3 * 2 * 120, 3)
    assert set(card.without) == {" and ".join(lost) for lost in LOST}
    assert set(card.by_sensor) == set(OTHER_SENSORS)
    assert set(card.by_task) == {"sums"}
    assert set(card.reference) == {"hr", "temp", "eda", "p"}


def test_the_text_carries_every_figure_and_picture(trained: Path) -> None:
    card, text = read_card(trained), (trained / "MODEL_CARD.md").read_text()
    assert card.exercise is not None
    for said in (
        f"{card.scores.roc_auc:.3f}",
        f"{card.scores.ece:.3f}",
        f"{card.exercise.share_high_stress:.1%}",
        card.artefact_sha256,
        "not a\nmedical device",
        "one, two",
        "--exercise exercise.csv",
    ):
        assert said in text
    for picture in ("reliability.svg", "roc_by_person.svg", "alerts.svg"):
        assert f"({picture})" in text
        assert (trained / picture).read_text().startswith("<?xml")


def test_training_again_gives_the_same_bytes(trained: Path, sources: Sources, tmp_path: Path) -> None:
    """Of the artefact, the card, its text, the pictures and the pin; the work was shared in another way."""
    told: list[tuple[str, int, int]] = []
    train(sources, tmp_path / "new" / trained.name, progress=lambda *step: told.append(step), jobs=2)
    again = tmp_path / "new" / trained.name
    names = sorted(path.name for path in trained.iterdir())
    assert names == sorted(path.name for path in again.iterdir())
    assert len(names) == 6
    assert all((trained / name).read_bytes() == (again / name).read_bytes() for name in names)
    assert pin_path(trained).read_bytes() == pin_path(again).read_bytes()
    dones, totals = [done for _, done, _ in told], {total for *_, total in told}
    assert len(totals) == 1
    assert dones == sorted(dones)
    assert dones[-1] == totals.pop()


def test_exercise_teaches_and_is_never_scored(sources: Sources) -> None:
    assert sources.exercise is not None
    data = build_dataset(read_recordings(sources.recordings), read_recordings(sources.exercise))
    effort = data.teaches == EXERCISE_WEIGHT
    assert effort.sum() == 3 * 2 * 240
    assert set(data.y[effort].tolist()) == {UNLABELLED}
    assert data.exercising.sum() == 3 * 2 * 120
    # Who is in both is one person of one source, on one side of any split.
    both = data.person == "p1"
    assert len(set(data.stream[both].tolist())) == 3
    assert set(data.source[both].tolist()) == {"one"}
    assert set(data.source[data.person == "other"].tolist()) == {""}


def test_too_few_people(tmp_path: Path) -> None:
    few = write_recording(tmp_path / "few.csv.gz", people=4, seconds=150)
    with pytest.raises(ModelError, match="at least 5"):
        train(Sources(few), tmp_path / "model", progress=quiet, jobs=1)


def test_nobody_is_on_both_sides() -> None:
    people = np.repeat([f"p{i}" for i in range(12)], 5)
    held = []
    for train_rows, test_rows in person_folds(people, 5):
        assert not set(people[train_rows]) & set(people[test_rows])
        held += test_rows.tolist()
    assert sorted(held) == list(range(60))


def test_evaluating_says_whether_it_was_seen(trained: Path, recording: Path, tmp_path: Path) -> None:
    seen = evaluate(recording, Predictor.load(trained), quiet, jobs=1)
    for jobs in (2, 4):
        shared = evaluate(recording, Predictor.load(trained), quiet, jobs=jobs)
        assert msgspec.json.encode(shared) == msgspec.json.encode(seen)
    assert seen.seen_in_training
    assert seen.scores.roc_auc > 0.8
    assert seen.model_version == read_card(trained).version
    other = evaluate(write_recording(tmp_path / "other.csv.gz", people=3), Predictor.load(trained), quiet, jobs=1)
    assert not other.seen_in_training
    assert other.alerts.episodes > 0


def test_evaluating_needs_labels(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("subject,t,hr,temp,eda\na,1,70,33,1\n")
    with pytest.raises(ModelError, match="label"):
        evaluate(tmp_path / "in.csv", Predictor.load(trained), quiet)


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_predicting_gives_one_row_for_each(trained: Path, recording: Path, tmp_path: Path, name: str) -> None:
    assert predict_file(recording, tmp_path / name, Predictor.load(trained), quiet) == 6 * 480
    content = (tmp_path / name).read_bytes()
    lines = list(csv.reader((gzip.decompress(content) if name.endswith("gz") else content).decode().splitlines()))
    assert lines[0] == ["subject", "t", "p_stress", "level"]
    assert [tuple(line[:2]) for line in lines[1:]] == [(row.subject, row.t) for row in read_rows(recording)]
    card = read_card(trained)
    for _, t, p, level in lines[1:]:
        # The file has six decimals: what lies on a threshold may be on either side of it.
        if min(abs(float(p) - card.t1), abs(float(p) - card.t2)) > 1e-6:
            assert level == level_of(float(p), float(t), Thresholds(card.t1, card.t2))
    assert {line[3] for line in lines[1:]} >= {"normal", "high_stress"}
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


def test_without_channels() -> None:
    x = without(np.ones((2, len(FEATURES)), dtype=np.float32), "temp", "hr")
    assert {name for name, value in zip(FEATURES, x[0], strict=True) if np.isnan(value)} == {
        name for name in FEATURES if name.startswith(("temp", "hr"))
    }


def test_calibration_error() -> None:
    y = np.array([0, 0, 0, 1])
    assert calibration_error(y, np.full(4, 0.25)) == 0
    assert calibration_error(y, np.full(4, 0.75)) == pytest.approx(0.5)
    assert calibration_error(y, np.array([0.0, 0.0, 0.0, 1.0])) == 0
    said, was, share = reliability(y, np.array([0.1, 0.12, 0.9, 0.94]))
    assert said == pytest.approx([0.11, 0.92])
    assert was.tolist() == [0, 0.5]
    assert share.tolist() == [0, 0.5, 0, 0, 0, 0, 0, 0, 0, 0.5]


def test_thresholds() -> None:
    p = np.linspace(0, 1, 2001)
    y = (np.random.default_rng(0).random(2001) < p).astype(np.int64)
    t1, t2 = choose_thresholds(y, p, np.zeros(0))
    assert t1 == pytest.approx(0.5, abs=0.06)
    assert t2 > t1
    assert y[p >= t2].mean() >= 0.65
    noise = choose_thresholds(np.arange(2000) % 2, np.full(2000, 0.3), np.zeros(0))
    assert noise.t1 < noise.t2
    # Exercise lifts t2 until no more than its share is above.
    effort = np.linspace(0, 1, 101)
    assert choose_thresholds(y, p, effort).t2 == pytest.approx(0.86, abs=0.011)


def test_alerts_are_counted_by_episode() -> None:
    policy = AlertPolicy(tau_s=15, raise_at=0.6, clear_at=0.4, cooldown_s=10, rest=0.3)
    p = [0.1] * 60 + [0.9] * 60 + [0.1] * 60 + [0.9] * 60 + [0.1] * 60 + [0.9] * 60
    y = [0] * 60 + [1] * 60 + [0] * 60 + [0] * 60 + [0] * 60 + [-1] * 40 + [1] * 20
    seen = figures([[run(policy, Timeline([float(t) for t in range(360)], p, y, [True] * 360))]])
    assert (seen.episodes, seen.found, seen.covered, seen.false_alerts) == (2, 1, 2, 1)
    assert seen.recorded_hours == pytest.approx(359 / 3600)
    assert seen.calm_hours == pytest.approx(239 / 3600)
    assert seen.false_per_hour == pytest.approx(3600 / 359)
    assert seen.false_per_calm_hour == pytest.approx(3600 / 239)
    assert 0.2 < seen.calm_alert_share < 0.5
    quiet_one = run(policy, Timeline([0.0, 360.0], [0.1, 0.1], [1, 1], [True] * 2))
    both = figures([[run(policy, Timeline([float(t) for t in range(360)], p, y, [True] * 360))], [quiet_one], []])
    assert (both.episodes, both.covered) == (3, 2)
    assert both.covered_by_person == Spread(2, 0.5, 0.5, 0, 1)
    assert (both.false_per_hour_by_person.least, both.false_per_hour_by_person.people) == (0, 2)
    assert seen.median_delay_s is not None
    assert 10 <= seen.median_delay_s <= 20


def person(name: str, label: Callable[[int], int], seconds: int, lift: Callable[[int], float]) -> Recording:
    """Somebody whose heart rate wanders about a level, and whose other channels wander."""
    rng = random.Random(name)
    hr, temp, ln_eda, rows = 0.0, 0.0, 0.0, []
    for t in range(seconds):
        hr += rng.gauss(0, 1) - 0.03 * hr
        temp += rng.gauss(0, 0.005) - 0.003 * temp
        ln_eda += rng.gauss(0, 0.03) - 0.01 * ln_eda
        rows.append(Row(name, str(t), float(t), 75 + lift(t) + hr, 33 + temp, 0.1 + math.exp(ln_eda), label(t), "lab"))
    return Recording(name, "lab", rows)


def held_out_auc(recordings: list[Recording]) -> float:
    data = build_dataset(recordings)
    return roc_auc(data.y, fit(data, Steps(quiet, FIT_STEPS), Workers(1)).decision.p)


def test_elapsed_time_alone_predicts_next_to_nothing() -> None:
    """Everybody is stressed in the same minutes, and nothing that is measured has to do with it.

    A model of the time since the start would be right every time. Young baselines differ a little from old ones, which no
    personal baseline can hide, so chance it is not quite.
    """
    people = [person(f"p{i}", lambda t: int(900 <= t < 1500), 2400, lambda _: 0.0) for i in range(12)]
    assert held_out_auc(people) < 0.65


def test_labels_by_lot_teach_nothing_of_people_who_are_not_seen() -> None:
    """What is remembered of others is worth nothing, and nobody is scored by what was remembered of them."""
    lots = {f"p{i}": [random.Random(f"lot {i} {block}").randrange(2) for block in range(12)] for i in range(8)}

    def said(name: str) -> Callable[[int], int]:
        return lambda t: lots[name][t // 60]

    people = [person(name, said(name), 720, lambda t: 10.0 * (t // 60 % 3)) for name in lots]
    assert held_out_auc(people) == pytest.approx(0.5, abs=0.1)


def test_what_a_label_is_about_is_found() -> None:
    """The same people, with a heart rate that follows the label: the two tests above could fail."""
    people = [person(f"p{i}", lambda t: t // 200 % 2, 1200, lambda t: 12.0 * (t // 200 % 2)) for i in range(6)]
    assert held_out_auc(people) > 0.85


def test_future_samples_do_not_change_what_was_said(trained: Path, recording: Path, tmp_path: Path) -> None:
    lines = gzip.decompress(recording.read_bytes()).decode().splitlines()
    fields = [line.split(",") for line in lines]
    later = [
        ",".join([*cells[:2], "180", "29", "44", *cells[5:]]) if at and int(cells[1]) >= 300 else line
        for at, (cells, line) in enumerate(zip(fields, lines, strict=True))
    ]
    (tmp_path / "changed.csv").write_text("\n".join(later) + "\n")
    predictor = Predictor.load(trained)
    predict_file(recording, tmp_path / "before.csv", predictor, quiet)
    predict_file(tmp_path / "changed.csv", tmp_path / "after.csv", predictor, quiet)
    before, after = ((tmp_path / name).read_text().splitlines()[1:] for name in ("before.csv", "after.csv"))
    moved = [int(cells[1]) for cells, a, b in zip(fields[1:], before, after, strict=True) if a != b]
    assert min(moved) == 300
