"""Waiting times between attempts."""

import random
from typing import Final

_MOST_DOUBLINGS: Final = 32


class Backoff:
    """Exponential backoff with full jitter: after `n` failures from 0 to `first_s` * 2^n seconds, evenly, at most `most_s`.

    Many who lost the same server at the same moment so come back spread over time; see "Exponential Backoff And Jitter",
    AWS Architecture Blog, 2015.
    """

    def __init__(self, first_s: float, most_s: float) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._failures = 0

    @property
    def limit_s(self) -> float:
        """The longest that `next_s` can be now."""
        return float(min(self._most_s, self._first_s * 2**self._failures))

    def next_s(self) -> float:
        """Seconds to wait after one more failure."""
        wait_s = random.uniform(0, self.limit_s)  # noqa: S311 - spreads load, guards no secret
        self._failures = min(self._failures + 1, _MOST_DOUBLINGS)
        return wait_s

    def reset(self) -> None:
        """It works again."""
        self._failures = 0
