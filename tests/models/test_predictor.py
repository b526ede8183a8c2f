"""Loading a model and predicting with it: the checks before unpickling, and what the shipped model says."""

import math
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.alerts import AlertState, step
from models.artefact import sha256_of
from models.card import Card, read_card, write_card
from models.decision import level_of, quality_of, shrink
from models.features import FeatureState
from models.predictor import ModelError, Prediction, Predictor, Reading
from tests.models.streams import Sample, calm, lively, rise


@pytest.fixture
def directory(trained: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may spoil."""
    return Path(shutil.copytree(trained, tmp_path / "model"))


def change_card(directory: Path, **fields: Any) -> None:
    write_card(directory, msgspec.structs.replace(read_card(directory), **fields))


class Bomb:
    """Unpickling it leaves a mark."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, ("import sys; sys.unpickled_bomb = True",)


def went_off() -> bool:
    return bool(sys.__dict__.pop("unpickled_bomb", False))


def test_a_wrong_sha256_is_never_unpickled(directory: Path) -> None:
    artefact = directory / "stress.joblib"
    artefact.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ModelError, match=r"stress\.joblib: not loaded, its SHA-256"):
        Predictor.load(directory)
    assert not went_off()
    # The bomb is a real one: with the right hash it is opened, and then found to be no model.
    change_card(directory, artefact_sha256=sha256_of(artefact))
    with pytest.raises(ModelError, match="cannot be unpickled"):
        Predictor.load(directory)
    assert went_off()


def test_another_scikit_learn_is_refused_before_unpickling(directory: Path) -> None:
    (directory / "stress.joblib").write_bytes(pickle.dumps(Bomb()))
    change_card(directory, artefact_sha256=sha256_of(directory / "stress.joblib"), scikit_learn="0.1.0")
    with pytest.raises(ModelError, match=r"trained with scikit-learn 0\.1\.0, installed is"):
        Predictor.load(directory)
    assert not went_off()


def unlink_artefact(directory: Path) -> None:
    (directory / "stress.joblib").unlink()


def unlink_card(directory: Path) -> None:
    (directory / "card.json").unlink()


def spoil_card(directory: Path) -> None:
    (directory / "card.json").write_text('{"version": 1}')


def other_features(directory: Path) -> None:
    change_card(directory, features=("hr",))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (unlink_artefact, r"stress\.joblib: the model cannot be read"),
        (unlink_card, r"card\.json: the model card cannot be read"),
        (spoil_card, r"card\.json: not a model card"),
        (other_features, "other features"),
    ],
)
def test_load_errors_name_the_file_and_what_to_do(directory: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(directory)
    with pytest.raises(ModelError, match=message) as caught:
        Predictor.load(directory)
    assert "stresswire train" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor.load()


@pytest.fixture(scope="module")
def shipped_card() -> Card:
    return read_card(Path(sys.modules["models.predictor"].__file__ or "").parent)


def predictions(predictor: Predictor, samples: list[Sample]) -> list[Prediction]:
    state = FeatureState()
    return predictor.score([Reading(state, *sample) for sample in samples])


def alerts(predictor: Predictor, samples: list[Sample]) -> list[tuple[float, str]]:
    """Seconds and kind of every change of the alert."""
    state = AlertState()
    changes: list[tuple[float, str]] = []
    for (t_s, *_), said in zip(samples, predictions(predictor, samples), strict=True):
        state, change = step(predictor.policy, state, t_s, said.probability, usable="warming_up" not in said.quality)
        if change:
            changes.append((t_s, change))
    return changes


@pytest.mark.parametrize("seconds", [60, 90, 120])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_rise_after_calm_ends_in_high_stress_and_raises(shipped: Predictor, seconds: int, seed: int) -> None:
    samples = calm(420, seed=seed) + rise(seconds, seed=seed, start_s=420)
    assert predictions(shipped, samples)[-1].level == "high_stress"
    assert [kind for _, kind in alerts(shipped, samples)] == ["raised"]
    assert alerts(shipped, samples)[0][0] > 420


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


def test_one_matrix_is_what_single_readings_give(shipped: Predictor) -> None:
    samples = lively(200)
    state = FeatureState()
    singly = [shipped.score([Reading(state, *sample)])[0] for sample in samples]
    assert predictions(shipped, samples) == singly
    first, second = FeatureState(), FeatureState()
    both = shipped.score([Reading(s, *sample) for sample in samples for s in (first, second)])
    assert both[::2] == both[1::2] == singly
    assert shipped.score([]) == []


def test_warming_up(shipped: Predictor, shipped_card: Card) -> None:
    said = predictions(shipped, lively(120))
    assert said[0].probability == pytest.approx(shipped_card.prior)
    assert all(one.quality == ("warming_up",) and one.level == "normal" for one in said[:60])
    assert all(one.quality == () for one in said[60:])


def test_the_shipped_model_is_small_and_its_card_carries_the_notice(shipped_card: Card) -> None:
    folder = Path(sys.modules["models.predictor"].__file__ or "").parent
    assert (folder / "stress.joblib").stat().st_size < 2_000_000
    text = (folder / "MODEL_CARD.md").read_text()
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
    assert level_of(p, age_s, (0.3, 0.6)) == level


def test_confidence_is_that_of_the_level() -> None:
    assert Prediction(0.2, "normal", ()).confidence == 0.8
    assert Prediction(0.4, "elevated", ()).confidence == 0.4
    assert Prediction(0.7, "high_stress", ()).confidence == 0.7


def test_shrinking_and_quality() -> None:
    assert [shrink(0.9, age, 0.3) for age in (0, 30, 60, 600)] == pytest.approx([0.3, 0.6, 0.9, 0.9])
    assert quality_of(59.0, None, None, None) == ("warming_up", "no_hr", "no_temp", "no_eda")
    assert quality_of(60.0, 70, 33, 1) == ()
