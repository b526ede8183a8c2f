"""When Python looks for garbage that refers to itself."""

import platform
import subprocess
import sys

import pytest

from stresswire.garbage import MIN_MIDDLE_COLLECTIONS, middle_collections

LIVING = 30_000
"""Objects that live long enough not to be found by any but a full collection."""
_CHURN = f"""
import gc
from collections import deque
from stresswire import garbage

class Connection:
    def __init__(self):
        self.own = self

garbage.tune_collections()
living, most = deque(maxlen={LIVING}), 0
for number in range(1_000_000):
    living.append(Connection())
    if number % 10_000 == 0:
        most = max(most, len(gc.get_objects()))
print(most)
"""
_PEAK = """
import asyncio
from pathlib import Path
from stresswire import garbage

def resident_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

async def main():
    garbage.TRIM_INTERVAL_S = 0.05
    giving = asyncio.create_task(garbage.trim_memory())
    blocks = [bytes(8_000) for _ in range(20_000)]
    del blocks[: len(blocks) - 10]
    peak_mb = resident_mb()
    end_s = asyncio.get_running_loop().time() + 20
    while resident_mb() > peak_mb - 100 and asyncio.get_running_loop().time() < end_s:
        await asyncio.sleep(0.05)
    giving.cancel()
    print(peak_mb - resident_mb())

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("objects", "middle"),
    [(0, MIN_MIDDLE_COLLECTIONS), (50_000, MIN_MIDDLE_COLLECTIONS), (700_000, 100), (2_000_000, 285)],
    ids=["none", "few", "more", "many"],
)
def test_the_more_there_is_to_look_through_the_rarer(objects: int, middle: int) -> None:
    assert middle_collections(objects) == middle


def test_what_refers_to_itself_does_not_pile_up() -> None:
    done = subprocess.run([sys.executable, "-c", _CHURN], check=True, capture_output=True, text=True, timeout=60)
    assert int(done.stdout) < 10 * LIVING


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked to give memory back")
def test_a_peak_is_given_back() -> None:
    """What is left at its end keeps the system from having it; without being asked glibc gives nothing of it back."""
    done = subprocess.run([sys.executable, "-c", _PEAK], check=True, capture_output=True, text=True, timeout=60)
    assert float(done.stdout) > 100
