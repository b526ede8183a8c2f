"""Loading a model and predicting with it: the checks before anything counts, and what the shipped model says."""

import math
import pickle
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.features.state import FeatureState
from models.serving.alerts import AlertState, step
from models.serving.artefact import load_artefact, pin, pin_path, save_artefact
from models.serving.card import ARTEFACT_NAME, CARD_NAME, TEXT_NAME, Card, read_card, version_of, write_card
from models.serving.levels import (
    FLAGS,
    NO_ALERT,
    Thresholds,
    level_of,
    log_odds,
    may_alert,
    may_alert_rows,
    named,
    probabilities,
)
from models.serving.predictor import SHIPPED, ModelError, Prediction, Predictor, Reading
from stresswire.simulate import person
from tests.support.streams import Sample, calm, lively


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A copy of the shipped model that a test may spoil."""
    copy = Path(shutil.copytree(SHIPPED, tmp_path / "model"))
    pin(copy)
    return copy


def change_card(directory: Path, **fields: Any) -> None:
    """As another program would have written and pinned it."""
    write_card(directory, msgspec.structs.replace(read_card(directory), **fields))
    pin(directory)


class Bomb:
    """Unpickling it leaves a mark."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, ("import sys; sys.unpickled_bomb = True",)


def unlink_artefact(directory: Path) -> None:
    (directory / ARTEFACT_NAME).unlink()


def unlink_card(directory: Path) -> None:
    (directory / CARD_NAME).unlink()


def unlink_pin(directory: Path) -> None:
    pin_path(directory).unlink()


def another_pin(directory: Path) -> None:
    pin_path(directory).write_text(f"{'0' * 64}  {directory.name}/{ARTEFACT_NAME}\n")


def change_artefact(directory: Path) -> None:
    """Even with a card to match, written by somebody who may write in the folder only."""
    artefact, card = load_artefact(directory)
    sha256 = save_artefact(directory / ARTEFACT_NAME, artefact._replace(calibration=(2.0, 0.0)))
    write_card(directory, msgspec.structs.replace(card, artefact_sha256=sha256))


def lower_a_threshold(directory: Path) -> None:
    write_card(directory, msgspec.structs.replace(read_card(directory), t1=0.01))


def spoil_card(directory: Path) -> None:
    (directory / CARD_NAME).write_text('{"version": 1}')
    pin(directory)


def pickled(directory: Path) -> None:
    (directory / ARTEFACT_NAME).write_bytes(pickle.dumps(Bomb()))
    pin(directory)


def pickled_inside(directory: Path) -> None:
    np.savez(directory / ARTEFACT_NAME, feature=np.array([Bomb()], dtype=object))
    pin(directory)


def other_features(directory: Path) -> None:
    change_card(directory, features=("hr",))


def other_format(directory: Path) -> None:
    change_card(directory, format=99)


def other_scores(directory: Path) -> None:
    artefact, _ = load_artefact(directory)
    save_artefact(directory / ARTEFACT_NAME, artefact._replace(check_scores=artefact.check_scores + 1e-6))
    pin(directory)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (unlink_artefact, r"stress\.npz: the model cannot be read"),
        (unlink_card, r"card\.json: the model cannot be read"),
        (unlink_pin, r"model\.sha256: the pin of the model cannot be read"),
        (another_pin, r"card\.json: not loaded, its SHA-256 is \w{12}\.\.\. but .*model\.sha256 says nothing"),
        (change_artefact, "not loaded, its SHA-256 is"),
        (lower_a_threshold, r"card\.json: not loaded, its SHA-256 is"),
        (spoil_card, r"card\.json: not a model card"),
        (pickled, r"stress\.npz: not a model of this program"),
        (pickled_inside, r"stress\.npz: not a model of this program"),
        (other_features, r"a model of format 2 with 1 features, this program has format 2 and \d+"),
        (other_format, "a model of format 99 with"),
        (other_scores, r"scores its own check rows differently, by 1e-06"),
    ],
)
def test_load_errors_name_the_file_and_what_to_do(directory: Path, spoil: Callable[[Path], None], message: str) -> None:
    Predictor.load(directory)
    spoil(directory)
    with pytest.raises(ModelError, match=message) as caught:
        Predictor.load(directory)
    assert "stresswire train" in str(caught.value)
    assert "\n" not in str(caught.value)
    # What is pickled is never opened.
    import sys  # noqa: PLC0415

    assert "unpickled_bomb" not in sys.__dict__


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor.load()


@pytest.fixture(scope="module")
def shipped_card() -> Card:
    return read_card(SHIPPED)


def predictions(predictor: Predictor, samples: list[Sample], *, explain: bool = False) -> list[Prediction]:
    state = FeatureState()
    return predictor.score([Reading(state, *sample) for sample in samples], explain=explain)


def alerts(predictor: Predictor, samples: list[Sample]) -> list[tuple[float, str]]:
    """Seconds and kind of every change of the alert."""
    state = AlertState()
    changes: list[tuple[float, str]] = []
    for (t_s, *_), said in zip(samples, predictions(predictor, samples), strict=True):
        state, change = step(predictor.policy, state, t_s, said.probability, usable=may_alert(said.quality))
        if change:
            changes.append((t_s, change))
    return changes


def stressed(seed: int = 0, *, calm_s: int = 300, seconds: int = 480, start_s: float = 0.0) -> list[Sample]:
    """Somebody who is calm, and then counts backwards in sevens."""
    states = islice(person(seed, calm_s=calm_s, stress_s=seconds), seconds)
    return [(start_s + t, state.hr, state.temp, state.eda) for t, state in enumerate(states)]


@pytest.mark.parametrize("seed", range(6))
def test_stress_after_calm_is_noticed_and_raises(shipped: Predictor, seed: int) -> None:
    said = predictions(shipped, stressed(seed))
    assert "high_stress" not in {one.level for one in said[60:300]}
    assert "high_stress" in {one.level for one in said[300:]}
    changes = alerts(shipped, stressed(seed))
    assert [kind for _, kind in changes] == ["raised"]
    assert 310 < changes[0][0] < 400


@pytest.mark.parametrize("seed", range(3))
def test_calm_raises_nothing(shipped: Predictor, seed: int) -> None:
    samples = calm(1800, seed=seed)
    assert alerts(shipped, samples) == []
    assert "high_stress" not in {said.level for said in predictions(shipped, samples)}


def test_one_wild_sample_raises_nothing(shipped: Predictor) -> None:
    samples = calm(900)
    samples[600] = (600.0, 240.0, 45.0, 100.0)
    assert alerts(shipped, samples) == []


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_sensor_that_loses_contact_raises_nothing(shipped: Predictor, at: int) -> None:
    samples = calm(600) + [(*s[:at], None, *s[at + 1 :]) for s in calm(300, seed=9, start_s=600)]
    said = predictions(shipped, samples)  # type: ignore[arg-type]
    assert alerts(shipped, samples) == []  # type: ignore[arg-type]
    assert said[-1].quality == (("no_hr", "no_temp", "no_eda")[at - 1],)
    assert math.isfinite(said[-1].probability)


def off_skin(sample: Sample) -> Sample:
    return (*sample[:2], 22.0, sample[3])


def low_eda(sample: Sample) -> Sample:
    return (*sample[:3], 0.01)


def stuck_hr(sample: Sample) -> Sample:
    return (sample[0], 84.0, *sample[2:])


def stuck_eda(sample: Sample) -> Sample:
    return (*sample[:3], 1.234)


@pytest.mark.parametrize(
    ("spoil", "flag"),
    [(off_skin, "off_skin"), (low_eda, "low_eda"), (stuck_hr, "frozen_hr"), (stuck_eda, "frozen_eda")],
)
def test_bad_contact_is_named_and_never_alerts(shipped: Predictor, spoil: Callable[[Sample], Sample], flag: str) -> None:
    """What raises an alert on good contact raises none once contact is bad, which takes two minutes to see where stuck."""
    samples = stressed()
    assert alerts(shipped, samples)
    bad = samples[:170] + [spoil(sample) for sample in samples[170:]]
    said = predictions(shipped, bad)
    assert said[-1].quality == (flag,)
    assert flag in NO_ALERT
    assert said[169].quality == ()
    assert [kind for at, kind in alerts(shipped, bad) if at >= 290] == []


def test_rows_may_alert_as_single_readings_may() -> None:
    flags = np.array([0, *(1 << np.arange(len(FLAGS))), (1 << len(FLAGS)) - 1])
    assert may_alert_rows(flags).tolist() == [may_alert(named(bits)) for bits in flags.tolist()]
    assert {quality for quality in FLAGS if not may_alert([quality])} == NO_ALERT


def test_a_version_is_its_release_and_the_start_of_its_digest() -> None:
    assert version_of("2", "9d2220f172cf") == "2-9d2220f1"


def test_a_silence_is_named(shipped: Predictor) -> None:
    samples = calm(200) + calm(100, start_s=500)
    said = predictions(shipped, samples)
    assert said[0].quality == ("warming_up",)
    assert said[199].quality == ()
    assert all(one.quality == ("warming_up", "gap") for one in said[200:260])
    assert said[260].quality == ()


def test_one_matrix_is_what_single_readings_give(shipped: Predictor) -> None:
    samples = lively(200)
    state = FeatureState()
    singly = [shipped.score([Reading(state, *sample)], explain=True)[0] for sample in samples]
    assert predictions(shipped, samples, explain=True) == singly
    first, second = FeatureState(), FeatureState()
    both = shipped.score([Reading(s, *sample) for sample in samples for s in (first, second)], explain=True)
    assert both[::2] == both[1::2] == singly
    assert shipped.score([]) == []


def test_warming_up(shipped: Predictor, shipped_card: Card) -> None:
    said = predictions(shipped, lively(120))
    assert said[0].probability == pytest.approx(shipped_card.prior)
    assert all(one.quality == ("warming_up",) and one.level == "normal" for one in said[:60])
    assert all(one.quality == () for one in said[60:])


def test_a_prior_shifts_the_log_odds(shipped: Predictor, shipped_card: Card) -> None:
    """Of every probability by the same difference; a young stream is drawn towards the new prior."""
    rare = Predictor.load(prior=0.05)
    samples = lively(200)
    before, after = predictions(shipped, samples), predictions(rare, samples)
    shifts = [log_odds(b.probability) - log_odds(a.probability) for a, b in zip(before, after, strict=True)][60:]
    assert shifts == pytest.approx([log_odds(0.05) - log_odds(shipped_card.prior)] * 140)
    assert after[0].probability == pytest.approx(0.05)
    assert (rare.policy.rest, rare.thresholds) == (0.05, shipped.thresholds)


@pytest.mark.parametrize("prior", [0.0, 0.99, -1.0])
def test_a_prior_at_which_an_alert_would_stand_is_refused(prior: float) -> None:
    with pytest.raises(ModelError, match="the prior must be above 0 and below"):
        Predictor.load(prior=prior)


def test_the_shipped_model_is_small_and_its_card_carries_the_notice(shipped_card: Card) -> None:
    assert (SHIPPED / ARTEFACT_NAME).stat().st_size < 500_000
    text = (SHIPPED / TEXT_NAME).read_text()
    for said in (
        "ODC Attribution License",
        "MIT licence",
        "10.3390/s22218135",
        "10.1038/s41597-025-04845-9",
        "10.13026/he0v-tf17",
    ):
        assert said in text
    assert shipped_card.version in text
    assert f"{shipped_card.scores.roc_auc:.3f}" in text


@pytest.mark.parametrize(
    ("p", "age_s", "level"),
    [(0.29, 60, "normal"), (0.3, 60, "elevated"), (0.59, 60, "elevated"), (0.6, 60, "high_stress"), (0.9, 59, "normal")],
)
def test_levels(p: float, age_s: float, level: str) -> None:
    assert level_of(p, age_s, Thresholds(0.3, 0.6)) == level


def test_confidence_is_that_of_the_level() -> None:
    assert Prediction(0.2, "normal", ()).confidence == 0.8
    assert Prediction(0.4, "elevated", ()).confidence == 0.4
    assert Prediction(0.7, "high_stress", ()).confidence == 0.7


def test_shrinking() -> None:
    ages = np.array([0.0, 30, 60, 600])
    assert probabilities(np.full(4, log_odds(0.9)), ages, 0.3) == pytest.approx([0.3, 0.6, 0.9, 0.9])
