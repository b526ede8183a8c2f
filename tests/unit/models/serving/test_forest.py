"""Trees as arrays, against the definition of a tree and against scikit-learn; and what each group adds."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier  # type: ignore[import-untyped]

from models.errors import ModelError
from models.features.moments import Inputs
from models.features.names import FEATURES
from models.serving.forest import CHUNK, Evaluator, Node, floor_single, pack
from models.serving.reasons import GROUP_OF_FEATURE, GROUPS, MAX_REASONS, group_of, reasons_of
from models.training import estimator

LEAF = {"feature": 0, "threshold": 0.0, "missing_left": False, "left": 0, "right": 0}


def leaf(value: float, rows: float) -> Node:
    return Node(True, value, rows, **LEAF)  # type: ignore[arg-type]


def tree() -> list[Node]:
    """On feature 0 at 1; then on feature 1 at 5, where missing goes left."""
    return [
        Node(False, 0.0, 10, 0, 1.0, False, 1, 2),
        leaf(-1.0, 6),
        Node(False, 0.0, 4, 1, 5.0, True, 3, 4),
        leaf(2.0, 1),
        leaf(4.0, 3),
    ]


def rows(count: int = 400, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, len(FEATURES))).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    return x


@pytest.mark.parametrize(
    ("x", "score"),
    [((1.0, 9.0), -1.0), ((1.1, 5.0), 2.0), ((1.1, 5.1), 4.0), ((1.1, np.nan), 2.0), ((np.nan, 9.0), 4.0)],
)
def test_a_tree_by_hand(x: tuple[float, float], score: float) -> None:
    forest = pack([tree(), [leaf(0.5, 10)]], 10.0, [0, 1], 2)
    evaluator = Evaluator(forest)
    assert evaluator.scores(np.array([x], dtype=np.float32)) == pytest.approx([10.5 + score])
    # On average 0.8; the comparison on feature 0 moves that to -1 or 3.5, the one on feature 1 from there to the leaf.
    assert forest.base == pytest.approx(10.5 + 0.8)
    left = x[0] <= 1
    expected = [-1.8, 0.0] if left else [2.7, score - 3.5]
    assert evaluator.shares(np.array([x], dtype=np.float32))[0] == pytest.approx(expected)


def test_a_tree_with_too_many_leaves_is_refused() -> None:
    chain: list[Node] = []
    for depth in range(8):
        chain += [Node(False, 0.0, 1, 0, float(depth), False, 2 * depth + 1, 2 * depth + 2), leaf(float(depth), 1)]
    with pytest.raises(ValueError, match="at most 8 leaves"):
        pack([[*chain, leaf(9.0, 1)]], 0.0, [0], 1)


def test_comparisons_that_lead_back_are_refused() -> None:
    forest = pack([tree()], 0.0, [0, 1], 2)
    forest.left[0, 0] = 0
    with pytest.raises(ValueError, match="more comparisons than it may have"):
        Evaluator(forest)


def test_every_order_of_comparisons_has_its_leaf() -> None:
    """A chain, the deepest tree there is."""
    chain: list[Node] = []
    for depth in range(7):
        chain += [Node(False, 0.0, 1, 0, 6.0 - depth, False, 2 * depth + 2, 2 * depth + 1), leaf(float(depth), 1)]
    evaluator = Evaluator(pack([[*chain, leaf(7.0, 1)]], 0.0, [0], 1))
    x = np.arange(7.5, -1, -1, dtype=np.float32)[:, None]
    assert evaluator.scores(x).tolist() == [0.0, 0.0, *map(float, range(1, 8))][: len(x)]


def test_thresholds_keep_their_side_in_single_precision() -> None:
    rng = np.random.default_rng(0)
    singles = rng.normal(size=2000).astype(np.float32)
    thresholds = singles.astype(np.float64) + rng.choice([-1e-12, 0, 1e-12], 2000)
    sides = []
    for x, threshold in zip(singles, thresholds.tolist(), strict=True):
        sides.append(float(x) <= threshold)
        assert bool(x <= floor_single(threshold)) is sides[-1]
    assert 0.5 < np.mean(sides) < 0.8, "a third is just above its threshold"


def test_what_scikit_learn_says() -> None:
    x, y = rows(), (np.arange(400) % 3 == 0).astype(np.int64)
    x[:, 3] += 2 * y
    forest = estimator.fit_forest(x, y, np.ones(400))
    fresh = rows(CHUNK + 50, seed=1)
    members = []
    for ensemble in estimator.ENSEMBLES:
        columns = [FEATURES.index(name) for name in ensemble.features]
        model = HistGradientBoostingClassifier(**ensemble.settings).fit(x[:, columns], y, sample_weight=np.ones(400))
        members.append(model.decision_function(fresh[:, columns]))
    assert Evaluator(forest).scores(fresh) == pytest.approx(np.mean(members, axis=0), abs=1e-9)


def test_training_refuses_trees_that_say_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator, "_nodes", lambda *_: tree())
    with pytest.raises(ModelError, match="differ from scikit-learn's by"):
        estimator.fit_forest(rows(), (np.arange(400) % 3 == 0).astype(np.int64), np.ones(400))


def test_every_feature_belongs_to_a_group() -> None:
    assert set(GROUP_OF_FEATURE) == set(range(len(GROUPS)))
    names = {name: GROUPS[group_of(name)].name for name in FEATURES}
    assert names["hr_z_60"] == names["hr_30_1200"] == names["hr_place_10"] == names["hr_range"] == "hr_level"
    assert names["eda_10_60"] == "eda_trend"
    assert (
        names["eda_change_60"]
        == names["eda_rise_ratio_30"]
        == names["eda_sd_60"]
        == names["phasic_up_30"]
        == "eda_activity"
    )
    assert names["scr_rate_60"] == "scr"
    assert names["temp_sd_60"] == names["temp_60_1200"] == "temp"
    assert names["hr_sd_60"] == names["hr_change_power_30"] == "hr_variability"
    assert all(GROUPS[group_of(group.feature)] is group for group in GROUPS), "each quotes a feature of its own"


def test_reasons_are_the_heaviest_in_words_and_numbers() -> None:
    x = np.zeros((2, len(FEATURES)))
    shares = np.zeros((2, len(GROUPS)))
    by_name = {group.name: number for number, group in enumerate(GROUPS)}
    x[:, FEATURES.index("eda_z_60")] = 1.94
    x[:, FEATURES.index("hr_60_1200")] = -4.26
    x[:, FEATURES.index("scr_rate_60")] = 0.1
    x[1, FEATURES.index("hr_60_1200")] = np.nan
    shares[:, by_name["eda_level"]] = 0.313
    shares[:, by_name["hr_level"]] = -0.5
    shares[:, by_name["scr"]] = 0.2
    shares[:, by_name["temp"]] = 0.15
    shares[:, by_name["eda_trend"]] = 0.05
    first, second = reasons_of(shares, x)
    assert [(one.feature, one.text, one.weight) for one in first] == [
        ("hr_level", "heart rate 4.3 bpm below your baseline", -0.5),
        ("eda_level", "skin conductance 1.9 SD above your baseline", 0.31),
        ("scr", "6 skin conductance responses a minute", 0.2),
    ]
    # Nothing is said of a sensor without contact, nor of what hardly counts.
    assert [one.feature for one in second] == ["eda_level", "scr", "temp"]
    assert len(first) == MAX_REASONS
