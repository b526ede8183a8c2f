"""Limits on how often something may happen. No I/O; the clock comes in."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

KEYS_KEPT: Final = 10_000


class TokenBucket:
    """A token bucket for each key: `burst` at once, then one each `every_s`. The longest unused keys are forgotten."""

    def __init__(self, burst: int, every_s: float, now_s: Callable[[], float]) -> None:
        self._burst = burst
        self._every_s = every_s
        self._now_s = now_s
        self._used: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Return the seconds until one more is allowed; 0: it is allowed now."""
        return max(0.0, (self._level(key) - (self._burst - 1)) * self._every_s)

    def count(self, key: str) -> None:
        """Count one."""
        level = self._level(key)
        self._used[key] = (level + 1, self._now_s())
        self._used.move_to_end(key)
        if len(self._used) > KEYS_KEPT:
            self._used.popitem(last=False)

    def _level(self, key: str) -> float:
        level, at_s = self._used.get(key, (0.0, 0.0))
        return max(0.0, level - (self._now_s() - at_s) / self._every_s)
