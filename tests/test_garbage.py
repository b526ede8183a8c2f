"""When Python looks for garbage that refers to itself."""

import subprocess
import sys

import pytest

from stresswire.garbage import LEAST, middle_collections

LIVING = 30_000
"""Objects that live long enough not to be found by any but a full collection."""
_CHURN = f"""
import gc
from collections import deque
from stresswire import garbage

class Connection:
    def __init__(self):
        self.own = self

garbage.pace()
living, most = deque(maxlen={LIVING}), 0
for number in range(1_000_000):
    living.append(Connection())
    if number % 10_000 == 0:
        most = max(most, len(gc.get_objects()))
print(most)
"""


@pytest.mark.parametrize(
    ("objects", "middle"),
    [(0, LEAST), (50_000, LEAST), (700_000, 100), (2_000_000, 285)],
    ids=["none", "few", "more", "many"],
)
def test_the_more_there_is_to_look_through_the_rarer(objects: int, middle: int) -> None:
    assert middle_collections(objects) == middle


def test_what_refers_to_itself_does_not_pile_up() -> None:
    done = subprocess.run([sys.executable, "-c", _CHURN], check=True, capture_output=True, text=True, timeout=60)
    assert int(done.stdout) < 10 * LIVING
