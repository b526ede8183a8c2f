"""The streaming features: what they are, and what they must not know."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.features.contact import LOW_EDA_US, OFF_SKIN_C
from models.features.moments import CHANNELS, EDA, HR, TEMP, Matrix
from models.features.names import FEATURES, channel_of
from models.features.row import WIDTH
from models.features.state import SAMPLE_CHANNELS, FeatureState, advance_all, channel_values
from tests.support.streams import Sample, calm, lively, rise
from tests.unit.models.features import reference


def features_of(samples: list[Sample], state: FeatureState | None = None) -> Matrix:
    state = FeatureState() if state is None else state
    if not samples:
        return np.zeros((0, len(FEATURES)))
    values = channel_values([sample[1:] for sample in samples])
    return advance_all([state] * len(samples), [sample[0] for sample in samples], values).x


def same(a: Matrix, b: Matrix) -> bool:
    """Equal bit for bit, NaN equal to NaN."""
    return a.tobytes() == b.tobytes()


def named(row: Matrix) -> dict[str, float]:
    return dict(zip(FEATURES, row.tolist(), strict=True))


def known(row: Matrix) -> dict[str, float]:
    return {name: value for name, value in named(row).items() if not math.isnan(value)}


EVERY_S = st.sampled_from([0.1, 0.25, 0.5, 1.0, 1.0, 1.0, 1.3, 2.0, 5.0, 11.0, 29.0, 31.0, 400.0])
ONE = st.tuples(
    EVERY_S,
    st.none() | st.integers(40, 150).map(float) | st.floats(40, 150),
    st.none() | st.floats(26, 38),
    st.none() | st.integers(1, 60).map(lambda v: v / 10) | st.floats(0.06, 30),
)
STREAMS = st.lists(ONE, min_size=1, max_size=60)


def in_time(steps: list[Sample], start_s: float = 1_733_000_000.25) -> list[Sample]:
    at_s, samples = start_s, []
    for every_s, *values in steps:
        samples.append((at_s, *values))
        at_s += every_s
    return samples  # type: ignore[return-value]


@settings(max_examples=150, deadline=None)
@given(STREAMS)
def test_the_stream_says_what_the_definitions_say(steps: list[Sample]) -> None:
    """Any rate, any gaps, sensors that come and go: equal to the reference to 1e-9."""
    samples = in_time(steps)
    streamed = known(features_of(samples)[-1])
    expected = reference.features(samples)
    assert streamed.keys() == expected.keys()
    for name, value in expected.items():
        assert streamed[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_the_reference_knows_every_feature() -> None:
    assert set(reference.features(lively(50))) == set(FEATURES)


@settings(max_examples=100, deadline=None)
@given(STREAMS, st.lists(st.integers(0, 60), max_size=6), st.integers(1, 4))
def test_how_samples_are_chunked_cannot_matter(steps: list[Sample], cuts: list[int], others: int) -> None:
    """One at a time, in any chunks, beside other streams, through a snapshot: the same bits."""
    samples = in_time(steps)
    whole = features_of(samples)
    state = FeatureState()
    edges = sorted({0, len(samples), *(min(cut, len(samples)) for cut in cuts)})
    parts = []
    for a, b in pairwise(edges):
        parts.append(features_of(samples[a:b], state))
        state = FeatureState.from_bytes(state.to_bytes())
    assert same(np.concatenate(parts), whole)
    beside = [FeatureState() for _ in range(others + 1)]
    mixed = [(beside[at % len(beside)], sample) for sample in samples for at in range(len(beside))]
    values = channel_values([sample[1:] for _, sample in mixed])
    step = advance_all([one for one, _ in mixed], [sample[0] for _, sample in mixed], values)
    for number in range(len(beside)):
        assert same(np.ascontiguousarray(step.x[number :: len(beside)]), whole)
    assert {one.to_bytes() for one in beside} == {state.to_bytes()}


def test_the_future_does_not_reach_back() -> None:
    samples = lively(400)
    changed = samples[:300] + [(t, 150.0, 28.0, 20.0) for t, *_ in samples[300:]]
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


@pytest.mark.parametrize("data", [b"", b"\x00", b"nonsense", FeatureState().to_bytes()[:-3], b"\x01" + bytes(8 * WIDTH)])
def test_bad_snapshots_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="feature snapshot"):
        FeatureState.from_bytes(data)


def test_a_device_takes_less_than_20_kb() -> None:
    assert 2 * FeatureState().row.nbytes < 20_000, "live and backfill lane together"
    assert len(FeatureState().to_bytes()) < 5_000


def test_the_time_of_day_is_not_known() -> None:
    samples = lively(500)
    shifted = [(t + 1_733_000_000.0, *rest) for t, *rest in samples]
    assert same(features_of(samples), features_of(shifted))  # type: ignore[arg-type]


def test_elapsed_time_is_not_known() -> None:
    """A steady stream's features after three hours are those after two."""
    period = [(70 + 3 * math.sin(i / 7), 33.0 + 0.1 * math.sin(i / 9), 1 + 0.2 * math.sin(i / 11)) for i in range(300)]
    rows = features_of([(float(t), *period[t % 300]) for t in range(3 * 3600)])
    assert rows[-1] == pytest.approx(rows[24 * 300 - 1], abs=1e-2)
    assert rows[-1] != pytest.approx(rows[-100], abs=1e-2)


def test_skin_conductance_responses_are_counted() -> None:
    bump = {10: 0.05, 11: 0.12, 12: 0.2, 13: 0.15, 14: 0.08, 15: 0.03}
    got = named(features_of([(float(i), 70.0, 33.0, 1.0 + bump.get(i % 20, 0.0)) for i in range(3000)])[-1])
    assert 60 * got["scr_rate_300"] == pytest.approx(3, abs=0.1)
    # The median of three flattens the peak to its second highest value.
    assert got["scr_amplitude_300"] / got["scr_rate_300"] == pytest.approx(0.15, abs=1e-3)
    # What rises by less than 0.02 uS is no response.
    for height, counted in ((0.03, True), (0.015, False)):
        small = {10: height / 2, 11: height, 12: height, 13: height / 2}
        got = named(features_of([(float(i), 70.0, 33.0, 1.0 + small.get(i % 20, 0.0)) for i in range(100)])[-1])
        assert (got["scr_rate_60"] > 0) is counted
    # A conductance that never moves for so long comes from a sensor that is stuck: unknown.
    flat = known(features_of([(float(i), 70.0, 33.0, 1.0) for i in range(100)])[-1])
    assert flat["scr_rate_60"] == flat["scr_amplitude_60"] == flat["eda_change_60"] == 0


@pytest.mark.parametrize("lost", CHANNELS)
def test_a_channel_without_contact_is_unknown_and_the_others_unmoved(lost: str) -> None:
    at = ("", "hr", "temp", "eda").index(lost)
    samples = lively(200)
    without = [(*sample[:at], None, *sample[at + 1 :]) for sample in samples]
    full, part = named(features_of(samples)[-1]), named(features_of(without)[-1])  # type: ignore[arg-type]
    own = ("eda", "ln_eda", "scr", "phasic") if lost == "eda" else lost
    assert {name for name, value in part.items() if math.isnan(value)} == {n for n in FEATURES if n.startswith(own)}
    assert all(part[name] == full[name] for name in FEATURES if not name.startswith(own))


def test_a_lost_channel_is_not_carried_forward() -> None:
    state = FeatureState()
    features_of(lively(200), state)
    gone = features_of([(200.0 + i, None, 33.0 + i / 100, 1.0 + i / 100) for i in range(15)], state)
    assert not math.isnan(named(gone[8])["hr_60_1200"])
    assert math.isnan(named(gone[12])["hr_60_1200"])


def test_a_gap_restarts_what_is_fast_and_keeps_the_baseline() -> None:
    state = FeatureState()
    features_of(calm(600), state)
    assert state.age_s == 599
    later = named(features_of([(600 + 7200.0, 100.0, 33.5, 0.4)], state)[0])
    assert state.age_s == 0
    assert later["hr_60_1200"] == pytest.approx(30, abs=2)
    assert later["hr_60_300"] == later["hr_sd_60"] == later["eda_change_60"] == 0
    assert named(features_of([(0.0, 100.0, 33.5, 0.4)])[0])["hr_60_1200"] == 0


def test_a_short_break_is_no_gap() -> None:
    state = FeatureState()
    features_of(calm(100), state)
    state.step(129.0, 70.0, 33.5, 0.4)
    assert state.age_s == 129


def test_a_rewound_stream_goes_on_as_after_a_gap() -> None:
    state = FeatureState()
    features_of(calm(600, start_s=5e6), state)
    usual = state.usual()
    state.rewind()
    step = state.step(100.0, 100.0, 33.5, 0.4)
    assert named(step.x[0])["hr_60_1200"] == pytest.approx(30, abs=2)
    assert step.gap.tolist() == [True]
    assert (state.age_s, state.newest_s) == (0, 100.0)
    assert usual["hr"] == pytest.approx(70, abs=1)
    assert usual["hr"] != state.usual()["hr"]


def test_time_must_increase_and_a_refusal_changes_nothing() -> None:
    state, other = FeatureState(), FeatureState()
    features_of(lively(50), state)
    before = state.to_bytes()
    for t_s in (49.0, 12.0, math.nan):
        with pytest.raises(ValueError, match="not after"):
            state.step(t_s, 70.0, 33.0, 1.0)
    values = channel_values([(70.0, 33.0, 1.0)] * 4)
    with pytest.raises(ValueError, match=r"at 50\.0 is not after the newest at 51\.0"):
        advance_all([other, state, state, state], [0.0, 50.0, 51.0, 50.0], values)
    assert state.to_bytes() == before
    assert other.newest_s is None


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="no samples"):
        advance_all([], [], channel_values([]))


def test_one_wild_sample_moves_nothing() -> None:
    samples = calm(400)
    wild = [*samples[:300], (300.0, 240.0, 45.0, 100.0), *samples[301:]]
    usual, moved = features_of(samples)[330], features_of(wild)[330]
    assert moved == pytest.approx(usual, abs=0.35)


@pytest.mark.parametrize("rate_hz", [0.1, 0.2, 3, 10])
def test_any_rate_works(rate_hz: float) -> None:
    samples: list[Sample] = [
        (i / rate_hz, 70.0 + i % 3, 33.0 + i % 2 / 10, 1 + 0.1 * (i % 5)) for i in range(min(int(1500 * rate_hz), 6000))
    ]
    row = features_of(samples)[-1]
    assert np.isfinite(row).all()
    assert named(row)["hr_60_1200"] == pytest.approx(0, abs=0.5)


def test_every_feature_lives() -> None:
    rows = features_of(lively(400))[200:]
    assert (rows != rows[0]).any(axis=0).all()


def test_contact_that_is_bad_is_named_and_counts_as_none() -> None:
    state = FeatureState()
    features_of(lively(200), state)
    step = state.step(200.0, None, OFF_SKIN_C - 0.1, LOW_EDA_US - 0.001)
    assert not step.contact.missing.any(), "its window is not over"
    assert [step.contact.bad[0, channel] for channel in (HR, EDA, TEMP)] == [False, True, True]
    twin = FeatureState()
    features_of(lively(200), twin)
    without = twin.step(200.0, None, None, None)
    assert same(step.x, without.x)


@pytest.mark.parametrize(("channel", "seconds"), [(HR, 120), (EDA, 120), (TEMP, 600)])
def test_a_value_that_never_changes_is_frozen(channel: int, seconds: int) -> None:
    state, frozen_at = FeatureState(), []
    for i in range(seconds + 60):
        values: list[float | None] = [70 + 0.1 * (i % 7), 33 + 0.01 * (i % 7), 1 + 0.01 * (i % 7)]
        if i >= 20:
            values[(0, 2, 1)[channel]] = 33.5
        step = state.step(float(i), *values)
        if step.contact.frozen.any():
            assert step.contact.frozen[0].tolist() == [c == channel for c in range(3)]
            frozen_at.append(i)
            assert np.isnan(step.x[0, [channel_of(name) == CHANNELS[channel] for name in FEATURES]]).all()
    assert frozen_at == list(range(20 + seconds, seconds + 60))
    # It moves again, and what it said while it did not move has been heard.
    moved = state.step(seconds + 61.0, 71.0, 33.3, 1.3)
    assert not moved.contact.frozen.any()
    assert not np.isnan(moved.x).any()


def test_stress_moves_the_level_up() -> None:
    before, after = features_of(calm(400) + rise(60, start_s=400))[[399, -1]]
    for name in ("hr_z_30", "eda_z_30", "hr_60_1200", "eda_10_60", "hr_place_60"):
        assert named(after)[name] > named(before)[name] + 0.1


def test_a_sample_is_in_the_worlds_order_and_the_features_in_theirs() -> None:
    assert SAMPLE_CHANNELS == ("hr", "temp", "eda")
    (values,) = channel_values([(70.0, 33.0, None)])
    assert {channel: values[at] for at, channel in enumerate(CHANNELS)} == {
        "hr": 70.0,
        "eda": pytest.approx(math.nan, nan_ok=True),
        "temp": 33.0,
    }
    assert channel_values([]).shape == (0, 3)


def test_states_with_more_and_fewer_samples_are_taken_together() -> None:
    few, many = lively(3, seed=1), lively(9, seed=2)
    first, second = FeatureState(), FeatureState()
    samples = [(second, sample) for sample in many[:5]] + [(first, sample) for sample in few]
    samples += [(second, sample) for sample in many[5:]]
    together = advance_all(
        [state for state, _ in samples],
        [sample[0] for _, sample in samples],
        channel_values([sample[1:] for _, sample in samples]),
    ).x
    alone = [*features_of(many)[:5], *features_of(few), *features_of(many)[5:]]
    assert np.array_equal(together, np.array(alone), equal_nan=True)
