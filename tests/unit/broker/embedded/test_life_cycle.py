"""The life cycle of a connection, as a table."""

import itertools

import pytest

from broker.embedded.life_cycle import TRANSITIONS, ConnectionState, LifeCycle

OPEN, LEFT, LOST, FINISHING, CLOSED, GONE = LifeCycle
ALLOWED = {
    (OPEN, LEFT),
    (OPEN, LOST),
    (OPEN, FINISHING),
    (OPEN, CLOSED),
    (LEFT, LOST),
    (LEFT, FINISHING),
    (LEFT, CLOSED),
    (LOST, GONE),
    (FINISHING, CLOSED),
    (CLOSED, GONE),
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(LifeCycle, LifeCycle)), ids=lambda state: state.label)
def test_a_state_is_entered_only_from_those_that_it_may_follow(before: LifeCycle, after: LifeCycle) -> None:
    state = ConnectionState()
    state.now = before
    assert state.enter(after) is ((before, after) in ALLOWED)
    assert state.now is (after if (before, after) in ALLOWED else before)


def test_every_state_ends_and_none_is_entered_twice() -> None:
    assert TRANSITIONS.keys() == set(LifeCycle)
    for state in LifeCycle:
        reached, border = {state}, {state}
        while border:
            border = set().union(*(TRANSITIONS[one] for one in border)) - {state}
            reached |= border
            assert state not in border
        assert GONE in reached


@pytest.mark.parametrize(
    ("state", "reads", "ended"),
    [
        (OPEN, True, False),
        (LEFT, True, False),
        (LOST, True, False),
        (FINISHING, False, False),
        (CLOSED, False, True),
        (GONE, False, True),
    ],
    ids=lambda value: getattr(value, "label", None),
)
def test_what_a_state_allows(state: LifeCycle, reads: bool, ended: bool) -> None:
    connection = ConnectionState()
    connection.now = state
    assert (connection.now.reads, connection.ended) == (reads, ended)
