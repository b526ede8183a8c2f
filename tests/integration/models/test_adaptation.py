"""Adapting the shared model to one's own labels, and the versions that come of it."""

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from models.errors import ModelError
from models.features.state import FeatureState
from models.recordings import Recording, Row
from models.serving.artefact import Artefact, load_artefact, pin_path
from models.serving.card import TEXT_NAME, Card, read_card
from models.serving.forest import Evaluator
from models.serving.predictor import SHIPPED, Predictor, Reading
from models.serving.reasons import GROUPS
from models.serving.registry import CHOSEN, Versions
from models.training.adaptation import LEAST_GAIN, NO_SPAN, Labelled, adapt, label_of, write_adapted
from stresswire.simulate import person

CALM_S, STRESS_S, CYCLES = 150, 120, 6


@pytest.fixture(scope="module")
def shared() -> tuple[Artefact, Card]:
    return load_artefact(SHIPPED)


def labelled(name: str = "me", seed: int = 0, *, cycles: int = CYCLES) -> Labelled:
    """A simulated person with every span labelled as it was."""
    seconds = cycles * (CALM_S + STRESS_S)
    rows, spans = [], []
    for t, state in enumerate(islice(person(seed, calm_s=CALM_S, stress_s=STRESS_S), seconds)):
        cycle, within = divmod(t, CALM_S + STRESS_S)
        stressed = within >= CALM_S
        span = 2 * cycle + stressed
        rows.append(Row(name, str(t), float(t), state.hr, state.temp, state.eda, int(stressed), ""))
        spans.append(100 * seed + span)
    return Labelled(Recording(name, "", rows), spans)


def test_own_labels_make_it_better_on_those_held_out(shared: tuple[Artefact, Card]) -> None:
    adapted = adapt(*shared, [labelled()])
    about = adapted.card.adapted
    assert about is not None
    assert adapted.better
    assert about.log_loss_before - about.log_loss_after > LEAST_GAIN
    assert (about.version, about.devices, about.spans) == (shared[1].version, ("me",), 2 * CYCLES)
    assert about.rows == CYCLES * (CALM_S + STRESS_S) - 60, "the first minute is warming up"
    assert set(about.scales) == {group.name for group in GROUPS}
    assert all(scale >= 0 for scale in about.scales.values())
    # The same trees: what a group adds is scaled, and nothing else.
    before, after = (Evaluator(one.forest).shares(shared[0].check_x) for one in (shared[0], adapted.artefact))
    assert after == pytest.approx(before * list(about.scales.values()), abs=2e-3)


def test_what_the_shared_model_knows_already_is_no_gain(shared: tuple[Artefact, Card]) -> None:
    """Labels drawn with the very probabilities that it gives: there is nothing to learn."""
    one = labelled(cycles=10)
    state = FeatureState()
    said = Predictor(*shared).score([Reading(state, row.t_s, row.hr, row.temp, row.eda) for row in one.recording.rows])
    lot = np.random.default_rng(0).random(len(said))
    rows = [
        row._replace(label=int(drawn < each.probability))
        for row, each, drawn in zip(one.recording.rows, said, lot, strict=True)
    ]
    adapted = adapt(*shared, [Labelled(one.recording._replace(rows=rows), [at // 30 for at in range(len(rows))])])
    assert not adapted.better
    assert adapted.card.adapted is not None
    assert all(scale == pytest.approx(1, abs=0.4) for scale in adapted.card.adapted.scales.values())


def test_what_speaks_for_stress_never_comes_to_speak_against_it(shared: tuple[Artefact, Card]) -> None:
    """Whatever the labels say: here the contrary of what was."""
    one = labelled()
    rows = [row._replace(label=1 - (row.label or 0)) for row in one.recording.rows]
    about = adapt(*shared, [one._replace(recording=one.recording._replace(rows=rows))]).card.adapted
    assert about is not None
    assert min(about.scales.values()) == 0


def test_ranks_must_not_get_worse(shared: tuple[Artefact, Card], monkeypatch: pytest.MonkeyPatch) -> None:
    """However much the probabilities gain."""
    assert adapt(*shared, [labelled()]).better
    monkeypatch.setattr("models.training.adaptation.MOST_LOSS", -1.0)
    assert not adapt(*shared, [labelled()]).better


def test_few_people_are_told_apart_by_spans_and_many_by_themselves(shared: tuple[Artefact, Card]) -> None:
    """With five people nobody's own labels help to score them."""
    people = [labelled(f"p{i}", i, cycles=2) for i in range(5)]
    together = adapt(*shared, people).card.adapted
    assert together is not None
    assert together.devices == ("p0", "p1", "p2", "p3", "p4")
    assert together.log_loss_after != together.log_loss_before


@pytest.mark.parametrize(("keep", "missing"), [(0, "stress"), (1, "not stress")])
def test_too_few_labels(shared: tuple[Artefact, Card], keep: int, missing: str) -> None:
    one = labelled()
    rows = [row if row.label == keep else row._replace(label=None) for row in one.recording.rows]
    with pytest.raises(ModelError, match=f"^0 labelled spans of {missing} with readings"):
        adapt(*shared, [one._replace(recording=one.recording._replace(rows=rows))])


def test_a_span_without_readings_past_the_warm_up_counts_for_nothing(shared: tuple[Artefact, Card]) -> None:
    one = labelled()
    short = Labelled(one.recording._replace(rows=one.recording.rows[:59]), one.span[:59])
    with pytest.raises(ModelError, match="0 labelled spans of stress with readings of more than 60 s"):
        adapt(*shared, [short])
    assert NO_SPAN not in one.span


@pytest.mark.parametrize(
    ("text", "label"), [("stress", 1), (" Stressed ", 1), ("calm", 0), ("exercise", 0), ("lunch", None), ("", None)]
)
def test_labels(text: str, label: int | None) -> None:
    assert label_of(text) == label


def test_versions_are_kept_chosen_and_rolled_back(shared: tuple[Artefact, Card], tmp_path: Path) -> None:
    versions = Versions(tmp_path / "var" / "models")
    assert (versions.current, versions.shared, versions.names()) == (None, None, [])
    first = versions.add(lambda part: write_adapted(part, adapt(*shared, [labelled()])))
    second = versions.add(lambda part: write_adapted(part, adapt(*shared, [labelled(seed=1)])))
    assert versions.current is None, "what is added is not in use yet"
    assert set(versions.names()) == {first.name, second.name}
    for folder in (first, second):
        versions.use(folder.name)
    assert Versions(first.parent).current == second
    assert versions.shared is None, "both are adapted"
    assert versions.roll_back() == first.name
    assert versions.roll_back() is None
    with pytest.raises(ModelError, match="nothing to go back to"):
        versions.roll_back()
    for unknown in ("nope", "../models"):
        with pytest.raises(ModelError, match="there is no version"):
            versions.use(unknown)
    assert sorted(path.name for path in first.parent.iterdir()) == sorted(
        (CHOSEN, first.name, second.name, pin_path(first).name, pin_path(second).name)
    )


def test_an_adapted_version_predicts_and_says_what_it_is(shared: tuple[Artefact, Card], tmp_path: Path) -> None:
    record = labelled()
    folder = Versions(tmp_path).add(lambda part: write_adapted(part, adapt(*shared, [record])))
    card = read_card(folder)
    assert card.version != shared[1].version
    assert card.adapted is not None
    text = (folder / TEXT_NAME).read_text()
    assert f"stress {card.version}, adapted" in text
    assert f"{card.adapted.log_loss_after:.4f}" in text
    assert "ODC Attribution License" in text, "the notices of the data stay"
    predictor, state = Predictor.load(folder), FeatureState()
    said = predictor.score([Reading(state, row.t_s, row.hr, row.temp, row.eda) for row in record.recording.rows])
    p, y = np.array([one.probability for one in said]), np.array([row.label for row in record.recording.rows])
    assert p[y == 1].mean() - p[y == 0].mean() > 0.3


def test_the_same_model_is_one_version(shared: tuple[Artefact, Card], tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    adapted = adapt(*shared, [labelled()])
    assert versions.add(lambda part: write_adapted(part, adapted)) == versions.add(
        lambda part: write_adapted(part, adapted)
    )
    assert len(versions.names()) == 1


def test_a_model_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def fail(_: Path) -> Card:
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        Versions(tmp_path).add(fail)
    assert list(tmp_path.iterdir()) == []
