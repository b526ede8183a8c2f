"""Waiting before the next attempt, with full jitter."""

import random

from broker.pacing.backoff import Backoff


def test_the_limit_doubles_up_to_the_most_and_starts_again() -> None:
    backoff = Backoff(0.5, 5)
    limits = []
    for _ in range(6):
        limits.append(backoff.limit_s)
        assert 0 <= backoff.next_s() <= limits[-1]
    assert limits == [0.5, 1, 2, 4, 5, 5]
    backoff.reset()
    assert backoff.limit_s == 0.5


def test_the_wait_is_spread_evenly_from_nothing_to_the_limit() -> None:
    random.seed(1)
    waits = []
    for _ in range(2_000):
        backoff = Backoff(8, 8)
        waits.append(backoff.next_s())
    quarters = [sum(low <= wait < low + 2 for wait in waits) for low in (0, 2, 4, 6)]
    assert sum(quarters) == 2_000
    assert all(400 < quarter < 600 for quarter in quarters)


def test_years_of_failures_overflow_nothing() -> None:
    backoff = Backoff(1, 30)
    assert all(backoff.next_s() <= 30 for _ in range(5_000))
