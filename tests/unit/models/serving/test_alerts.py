"""The alert state machine, as tables of (seconds, probability) and what they do."""

import msgspec
import pytest

from models.serving.alerts import AlertPolicy, AlertState, step

POLICY = AlertPolicy(tau_s=15, raise_at=0.6, clear_at=0.4, cooldown_s=60, rest=0.3)

Readings = list[tuple[float, float]]


def run(readings: Readings, *, usable: bool = True, state: AlertState | None = None) -> tuple[AlertState, Readings]:
    """The last state, and (seconds, 1 raised or 0 cleared) for every change."""
    state = AlertState() if state is None else state
    changes: Readings = []
    for t_s, p in readings:
        state, change = step(POLICY, state, t_s, p, usable=usable)
        if change:
            changes.append((t_s, float(change == "raised")))
    return state, changes


def hold(p: float, start: int, stop: int, every: int = 1) -> Readings:
    return [(float(t), p) for t in range(start, stop, every)]


RAISED = run(hold(0.9, 0, 60))[0]


@pytest.mark.parametrize(
    ("readings", "expected"),
    [
        pytest.param(hold(0.3, 0, 600), [], id="calm"),
        pytest.param(hold(0.9, 0, 60), [(10, 1)], id="sustained: .3 + .6 (1 - e^(-t / 15)) passes .6"),
        pytest.param(hold(0.59, 0, 600), [], id="just below"),
        pytest.param([*hold(0.3, 0, 60), (60, 1.0), *hold(0.3, 61, 120)], [], id="one extreme reading"),
        pytest.param([*hold(0.55, 0, 200), (200, 1.0), *hold(0.55, 201, 300)], [], id="one, from just below"),
        pytest.param([*hold(0.3, 0, 60), (89, 1.0), *hold(0.3, 90, 120)], [], id="one after a pause"),
        pytest.param([*hold(0.3, 0, 60), (500, 1.0), (501, 0.2)], [], id="one after a gap"),
        pytest.param([(0, 1.0)], [], id="the very first"),
        pytest.param([(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)], [], id="three seconds are not enough"),
        pytest.param([(40.0 * i, 1.0) for i in range(50)], [], id="too sparse to be an unbroken run"),
        pytest.param(hold(0.9, 0, 200, 10), [(20, 1)], id="every ten seconds"),
        pytest.param([*hold(0.9, 0, 60), *hold(0.5, 60, 200)], [(10, 1)], id="hysteresis"),
        pytest.param([*hold(0.9, 0, 60), *hold(0.1, 60, 120)], [(10, 1), (74, 0)], id="cleared"),
        pytest.param(
            [*hold(0.9, 0, 60), *hold(0.1, 60, 80), *hold(0.9, 80, 200)], [(10, 1), (74, 0), (134, 1)], id="cooldown"
        ),
        pytest.param([*hold(0.9, 0, 60), (50, 0.0), (10, 0.0), (59, 0.0)], [(10, 1)], id="older and equal move nothing"),
        pytest.param([*hold(0.9, 0, 60), (400, 0.2)], [(10, 1), (400, 0)], id="a gap clears"),
        pytest.param([*hold(0.9, 0, 60), (400, 0.39)], [(10, 1), (400, 0)], id="a gap clears just below clear_at"),
        pytest.param([*hold(0.9, 0, 60), (400, 0.9), (401, 0.9)], [(10, 1)], id="a gap, and p keeps it"),
        pytest.param([*hold(0.9, 0, 60), (400, 0.45), (401, 0.45)], [(10, 1)], id="a gap, and p just keeps it"),
        pytest.param([*hold(0.59, 0, 60), *hold(0.9, 400, 406)], [], id="after a gap smoothing starts at rest"),
        pytest.param([*hold(0.59, 0, 60), *hold(0.9, 60, 66)], [(65, 1)], id="without one it does not"),
        pytest.param([*hold(0.9, 0, 9), *hold(0.9, 400, 403)], [], id="evidence before a gap does not count"),
    ],
)
def test_table(readings: Readings, expected: Readings) -> None:
    assert run(readings)[1] == expected


def test_older_readings_leave_the_state_as_it_is() -> None:
    assert step(POLICY, RAISED, 59.0, 0.0) == (RAISED, None)


def test_warming_up_never_raises_but_clears() -> None:
    assert run(hold(1.0, 0, 600), usable=False) == (run(hold(1.0, 0, 600), usable=False)[0], [])
    assert run(hold(1.0, 0, 600), usable=False)[0].smoothed == POLICY.rest
    assert run(hold(0.1, 60, 120), usable=False, state=RAISED)[1] == [(74, 0)]


def test_what_was_seen_while_warming_up_is_no_evidence() -> None:
    state, _ = run(hold(0.9, 0, 9))
    state, _ = run(hold(0.9, 9, 10), usable=False, state=state)
    assert run(hold(0.9, 10, 14), state=state)[1] == []


def test_smoothing_is_in_event_time() -> None:
    """A sparse stream falls as far as a dense one in the same time."""
    dense, _ = run(hold(0.5, 60, 71), state=RAISED)
    sparse, _ = run([(70.0, 0.5)], state=RAISED)
    assert dense.smoothed == pytest.approx(sparse.smoothed, abs=1e-9)


def test_state_survives_storage() -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(RAISED), type=AlertState) == RAISED


@pytest.mark.parametrize(
    "wrong", [{"clear_at": 0.6}, {"clear_at": 0.0}, {"raise_at": 1.0}, {"tau_s": 0}, {"cooldown_s": -1}, {"rest": 0.6}]
)
def test_policies_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        AlertPolicy(**(msgspec.structs.asdict(POLICY) | wrong))
