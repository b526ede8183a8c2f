"""The population stability index, and the counts it is taken of."""

import numpy as np
import pytest

from models.serving.card import Reference
from models.serving.drift import HALF_LIFE, LEAST, Drift, reference_of, stability, verdict


def test_the_index_of_two_bins_by_hand() -> None:
    reference = Reference((1.0,), (0.5, 0.5))
    expected = (0.8 - 0.5) * np.log(0.8 / 0.5) + (0.2 - 0.5) * np.log(0.2 / 0.5)
    assert stability(reference, [800, 200]) == pytest.approx(expected)
    assert stability(reference, [500, 500]) == 0
    assert stability(reference, [LEAST - 1, 0]) is None


def test_the_same_source_is_stable_and_another_is_not() -> None:
    rng = np.random.default_rng(0)
    reference = reference_of(np.append(rng.normal(70, 8, 20_000), np.nan))
    assert sum(reference.shares) == pytest.approx(1)
    for centre, said in ((70, "stable"), (73, "moderate shift"), (85, "large shift")):
        drift = Drift({"hr": reference})
        drift.add({"hr": [*rng.normal(centre, 8, 4000).tolist(), None]})
        assert verdict(drift.index("hr")) == said


def test_values_on_an_edge_fall_where_they_fell_in_training() -> None:
    values = np.repeat([1.0, 2.0, 3.0, 4.0], 500)
    reference = reference_of(values)
    drift = Drift({"hr": reference})
    drift.add({"hr": values.tolist()})
    assert drift.index("hr") == pytest.approx(0)


def test_what_is_old_counts_less() -> None:
    drift = Drift({"hr": Reference((50.0,), (0.5, 0.5))})
    drift.add({"hr": [40.0] * HALF_LIFE})
    drift.add({"hr": [60.0] * HALF_LIFE})
    counts = drift._counts["hr"]
    assert counts[0] / counts[1] == pytest.approx(0.5)
    assert drift.count("hr") == counts.sum() == pytest.approx(1.5 * HALF_LIFE)


def test_too_few_and_nothing_at_all() -> None:
    drift = Drift({"hr": Reference((50.0,), (0.5, 0.5)), "eda": reference_of(np.array([np.nan]))})
    drift.add({"hr": [40.0] * 10, "eda": [None]})
    assert (drift.index("hr"), drift.index("eda")) == (None, None)
    assert verdict(None) == "too few readings"
