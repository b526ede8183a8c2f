"""Invariances of the streaming features."""

import math
from array import array
from itertools import pairwise
from statistics import fmean, pstdev

import pytest

from models.features import CHANNELS, FEATURES, FeatureState
from tests.models.streams import Sample, calm, lively, rise


def features_of(samples: list[Sample], state: FeatureState | None = None) -> list[list[float]]:
    state = FeatureState() if state is None else state
    return [state.step(*sample) for sample in samples]


def same(a: list[list[float]], b: list[list[float]]) -> bool:
    """Equal bit for bit, NaN equal to NaN."""
    return [array("d", row).tobytes() for row in a] == [array("d", row).tobytes() for row in b]


def named(row: list[float]) -> dict[str, float]:
    return dict(zip(FEATURES, row, strict=True))


def test_the_future_does_not_reach_back() -> None:
    samples = lively(400)
    changed = samples[:300] + [(t, 150.0, 20.0, 20.0) for t, *_ in samples[300:]]
    before, after = features_of(samples), features_of(changed)
    assert same(before[:300], after[:300])
    assert not same(before[300:], after[300:])


@pytest.mark.parametrize("at", [0, 1, 7, 59, 60, 61, 299, 450, 900])
def test_a_copy_and_a_snapshot_go_on_bit_for_bit(at: int) -> None:
    samples = lively(1000)
    state = FeatureState()
    features_of(samples[:at], state)
    stored = state.to_bytes()
    copy, restored = state.copy(), FeatureState.from_bytes(stored)
    expected = features_of(samples[at:], state)
    assert same(features_of(samples[at:], copy), expected)
    assert same(features_of(samples[at:], restored), expected)
    assert restored.to_bytes() == state.to_bytes() == copy.to_bytes() != stored


def test_a_copy_leaves_the_original_alone() -> None:
    state = FeatureState()
    features_of(lively(200), state)
    before = state.to_bytes()
    features_of([(200.0 + i, 150.0, 38.0, 9.0) for i in range(100)], state.copy())
    assert state.to_bytes() == before


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x99\x02" + b"\x00" * 8, b"nonsense", FeatureState().to_bytes()[:-3]])
def test_bad_snapshots_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        FeatureState.from_bytes(data)


def test_another_versions_snapshot_is_named() -> None:
    old = bytearray(FeatureState().to_bytes())
    assert old[1] == 1
    old[1] = 9
    with pytest.raises(ValueError, match="version 9"):
        FeatureState.from_bytes(bytes(old))


def test_the_time_of_day_is_not_known() -> None:
    samples = lively(500)
    shifted = [(t + 1_733_000_000.0, *rest) for t, *rest in samples]
    assert same(features_of(samples), features_of(shifted))  # type: ignore[arg-type]


def test_elapsed_time_is_not_known() -> None:
    """A steady stream's features after six hours are those after 40 minutes."""
    period = [(70 + 3 * math.sin(i / 7), 33.0, 1 + 0.2 * math.sin(i / 11)) for i in range(300)]
    rows = features_of([(float(t), *period[t % 300]) for t in range(6 * 3600)])
    assert rows[-1] == pytest.approx(rows[12 * 300 - 1], abs=0.06)
    assert rows[-1] != pytest.approx(rows[-100], abs=0.06)


def test_values_against_plain_arithmetic() -> None:
    samples = lively(600)
    got = named(features_of(samples)[-1])
    hr = [sample[1] or 0.0 for sample in samples]
    hr = [hr[0], fmean(hr[:2])] + [sorted(hr[i - 2 : i + 1])[1] for i in range(2, len(hr))]
    weights = [math.exp(-(len(hr) - 1 - i) / 1200) for i in range(len(hr))]
    baseline = sum(w * x for w, x in zip(weights, hr, strict=True)) / sum(weights)
    last = hr[-60:]
    centre = fmean(range(60))
    slope = sum((i - centre) * x for i, x in enumerate(last)) / sum((i - centre) ** 2 for i in range(60))
    assert got["hr_30_baseline"] == pytest.approx(fmean(hr[-30:]) - baseline, abs=1e-5)
    assert got["hr_60_baseline"] == pytest.approx(fmean(last) - baseline, abs=1e-5)
    assert got["hr_60_sd"] == pytest.approx(pstdev(last), abs=1e-5)
    assert got["hr_60_slope"] == pytest.approx(slope, abs=1e-5)
    assert got["hr_60_300"] == pytest.approx(fmean(last) - fmean(hr[-300:]), abs=1e-5)


def test_skin_conductance_responses_are_counted() -> None:
    bump = {10: 0.05, 11: 0.12, 12: 0.2, 13: 0.15, 14: 0.08, 15: 0.03}
    got = named(features_of([(float(i), 70.0, 33.0, 1.0 + bump.get(i % 20, 0.0)) for i in range(300)])[-1])
    assert got["scr_60_count"] == 3
    # The median of three flattens the peak to its second highest value.
    assert got["scr_60_amplitude"] == pytest.approx(3 * 0.15, abs=1e-3)
    flat = named(features_of([(float(i), 70.0, 33.0, 1.0) for i in range(300)])[-1])
    assert flat["scr_60_count"] == flat["scr_60_amplitude"] == flat["eda_60_change"] == 0


@pytest.mark.parametrize("lost", CHANNELS)
def test_a_channel_without_contact_is_unknown_and_the_others_unmoved(lost: str) -> None:
    at = 1 + CHANNELS.index(lost)
    samples = lively(200)
    without = [(*sample[:at], None, *sample[at + 1 :]) for sample in samples]
    full, part = named(features_of(samples)[-1]), named(features_of(without)[-1])  # type: ignore[arg-type]
    own = {name for name in FEATURES if name.startswith(("eda", "scr", "phasic") if lost == "eda" else lost)}
    assert {name for name, value in part.items() if math.isnan(value)} == own
    assert all(part[name] == full[name] for name in FEATURES if name not in own)


def test_a_lost_channel_is_not_carried_forward() -> None:
    state = FeatureState()
    features_of(lively(200), state)
    gone = features_of([(200.0 + i, None, 33.0, 1.0) for i in range(61)], state)
    assert not math.isnan(named(gone[50])["hr_60_baseline"])
    assert math.isnan(named(gone[60])["hr_60_baseline"])


def test_a_gap_restarts_the_windows_and_keeps_the_baseline() -> None:
    samples = calm(600)
    state = FeatureState()
    features_of(samples, state)
    assert state.age_s == 599
    later = named(state.step(600 + 7200.0, 100.0, 33.5, 0.4))
    assert state.age_s == 0
    assert later["hr_60_baseline"] == pytest.approx(30, abs=2)
    assert later["hr_60_300"] == 0
    assert math.isnan(later["hr_60_sd"])
    assert named(FeatureState().step(0.0, 100.0, 33.5, 0.4))["hr_60_baseline"] == 0


def test_a_short_break_is_no_gap() -> None:
    state = FeatureState()
    features_of(calm(100), state)
    state.step(129.0, 70.0, 33.5, 0.4)
    assert state.age_s == 129


def test_time_must_increase_and_a_refusal_changes_nothing() -> None:
    state = FeatureState()
    features_of(lively(50), state)
    before = state.to_bytes()
    for t_s in (49.0, 12.0, math.nan):
        with pytest.raises(ValueError, match="not after"):
            state.step(t_s, 70.0, 33.0, 1.0)
    assert state.to_bytes() == before
    assert state.newest_s == 49.0


def test_one_wild_sample_moves_nothing() -> None:
    samples = calm(400)
    wild = [*samples[:300], (300.0, 240.0, 45.0, 100.0), *samples[301:]]
    usual, moved = features_of(samples)[330], features_of(wild)[330]
    assert moved == pytest.approx(usual, abs=0.1)


@pytest.mark.parametrize("rate_hz", [0.1, 0.2, 3, 10])
def test_any_rate_works_and_memory_is_bounded(rate_hz: float) -> None:
    state = FeatureState()
    for i in range(int(1500 * rate_hz)):
        row = state.step(i / rate_hz, 70 + i % 3, 33.0, 1 + 0.1 * (i % 5))
    assert all(map(math.isfinite, row))
    assert named(row)["hr_60_baseline"] == pytest.approx(0, abs=0.5)
    assert len(state.to_bytes()) < 6000


def test_the_sums_stay_exact_for_hours() -> None:
    """What the running sums say is what a recount of the window says, bit for bit."""
    state = FeatureState()
    features_of(lively(20_000), state)
    samples = [(20_000.0 + t, *rest) for t, *rest in rise(200)]
    recounted = FeatureState.from_bytes(state.to_bytes())
    assert same(features_of(samples, state), features_of(samples, recounted))  # type: ignore[arg-type]


def test_every_feature_lives() -> None:
    rows = features_of(lively(400))
    assert all(any(a != b for a, b in pairwise(column)) for column in zip(*rows[200:], strict=True))
