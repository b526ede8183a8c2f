"""Counting of the tracebacks in a log. No I/O."""

from collections import Counter
from typing import Final

START: Final = "Traceback (most recent call last):"


def tracebacks(log: str) -> Counter[str]:
    """Return the number of tracebacks by kind: the log line before it without the time, and the error."""
    counts: Counter[str] = Counter()
    lines = log.splitlines()
    for index, line in enumerate(lines):
        if line.lstrip(" |+").startswith(START):
            message = lines[index - 1].split(" ", 2)[-1] if index else ""
            error = next((later for later in lines[index + 1 :] if not later.startswith(" ")), "")
            counts[f"{message}: {error}"] += 1
    return counts
