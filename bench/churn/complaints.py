"""Tracebacks in a log, by kind. No I/O."""

from collections import Counter
from typing import Final

START: Final = "Traceback (most recent call last):"


def tracebacks(log: str) -> Counter[str]:
    """How many there are of each kind: what was said before, without the time, and the error."""
    found: Counter[str] = Counter()
    lines = log.splitlines()
    for at, line in enumerate(lines):
        if line.lstrip(" |+").startswith(START):
            said = lines[at - 1].split(" ", 2)[-1] if at else ""
            error = next((one for one in lines[at + 1 :] if not one.startswith(" ")), "")
            found[f"{said}: {error}"] += 1
    return found
