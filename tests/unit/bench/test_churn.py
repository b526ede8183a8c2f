"""The pure parts of `bench.churn`: a ledger that cannot see a loss, or a line with a wrong slope, would prove nothing."""

from math import isnan

import pytest

from bench.churn.complaints import tracebacks
from bench.churn.curve import Point, fit, settled
from bench.churn.ledger import Account, Key, Ledger, Stream

LOG = """\
2026-01-01 12:00:00,000 ERROR gateway.guard: POST /x failed
Traceback (most recent call last):
  File "a.py", line 1, in a
ConnectionResetError: gone
2026-01-01 12:00:01,000 INFO all: well
2026-01-01 12:00:02,000 ERROR gateway.guard: POST /x failed
Traceback (most recent call last):
  File "a.py", line 1, in a
ConnectionResetError: gone
2026-01-01 12:00:03,000 ERROR asyncio: other
Traceback (most recent call last):
ValueError
"""


def streams() -> tuple[Ledger, Stream, Stream]:
    """Three samples each, of which the first two were acknowledged."""
    ledger = Ledger()
    keyed, idempotent = ledger.stream("a", "boot"), ledger.stream("a", "header", idempotent=True)
    for stream in (keyed, idempotent):
        for _ in range(3):
            stream.next()
        for number in (0, 1, 1):
            stream.acknowledge(number)
    return ledger, keyed, idempotent


@pytest.mark.parametrize("which", [1, 2])
@pytest.mark.parametrize(
    ("numbers", "lost", "doubled"),
    [((0, 1), 0, 0), ((0, 1, 2), 0, 0), ((0, 2), 1, 0), ((), 2, 0), ((0, 1, 1), 0, 1), ((0, 2, 2, 2), 1, 2)],
)
def test_what_is_lost_and_what_is_doubled(which: int, numbers: tuple[int, ...], lost: int, doubled: int) -> None:
    ledger, *both = streams()
    stream, other = both[which - 1], both[2 - which]
    stored = [*map(stream.key, numbers), *map(other.key, (0, 1))]
    account = ledger.account(stored)
    assert account == Account(6, 4, len(stored), lost, doubled, strange=0)
    assert account.clean == (lost == doubled == 0)


@pytest.mark.parametrize("key", [("a", "boot", 3), ("b", "boot", 0), ("a", "~other", 0), ("a", "boot", -1)])
def test_rows_that_nobody_sent_are_strange(key: Key) -> None:
    ledger, *both = streams()
    account = ledger.account([key, *(stream.key(number) for stream in both for number in (0, 1))])
    assert account == Account(6, 4, 5, lost=0, doubled=0, strange=1)
    assert not account.clean


def test_the_line_through_points() -> None:
    line = fit([0, 1, 2, 3], [1, 3, 5, 7])
    assert (line.slope, line.error, line.start) == pytest.approx((2, 0, 1))
    line = fit([1, 2, 3, 4, 5], [2, 4, 5, 4, 5])
    assert (line.slope, line.error, line.start) == pytest.approx((0.6, 0.28284, 2.2), abs=1e-5)
    assert isnan(fit([1, 2], [1, 2]).slope)
    assert isnan(fit([1, 1, 1], [1, 2, 3]).slope)


@pytest.mark.parametrize(("minutes", "from_min"), [(60, 10), (20, 10), (4, 2)])
def test_only_what_is_settled_counts(minutes: int, from_min: int) -> None:
    points = [Point(60.0 * minute, 0, 0, 0, 0, 0, 0, 0, 0, 0) for minute in range(1, minutes + 1)]
    assert settled(points)[0].seconds == 60 * from_min


def test_tracebacks_are_counted_by_kind() -> None:
    assert dict(tracebacks(LOG)) == {
        "ERROR gateway.guard: POST /x failed: ConnectionResetError: gone": 2,
        "ERROR asyncio: other: ValueError": 1,
    }
    assert not tracebacks("2026-01-01 12:00:01,000 INFO all: well")
