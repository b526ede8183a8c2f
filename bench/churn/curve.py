"""The curve of a run: its points, the line through them, and its file. No I/O but the file's."""

import csv
from collections.abc import Sequence
from math import nan, sqrt
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

SETTLE_MIN: Final = 10.0
"""Before, caches fill: what grows after it grows for ever."""
MB_DIGITS: Final = 2


class Point(Struct, frozen=True):
    """The server at one time. Connections and samples are all so far; the CPU share is that of one core since the last."""

    seconds: float
    resident_mb: float
    anonymous_mb: float
    descriptors: int
    threads: int
    mqtt: int
    socketio: int
    http: int
    acknowledged: int
    cpu_percent: float


class Line(Struct, frozen=True):
    """Least squares: `error` is the slope's standard error, taken as if the residuals were independent."""

    slope: float
    error: float
    start: float


def fit(x: Sequence[float], y: Sequence[float]) -> Line:
    """The line through points; not a number where they are too few."""
    count = len(x)
    if count < 3 or min(x) == max(x):
        return Line(nan, nan, nan)
    mean_x, mean_y = sum(x) / count, sum(y) / count
    spread = sum((one - mean_x) ** 2 for one in x)
    slope = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y, strict=True)) / spread
    start = mean_y - slope * mean_x
    rest = sum((other - start - slope * one) ** 2 for one, other in zip(x, y, strict=True))
    return Line(slope, sqrt(rest / (count - 2) / spread), start)


def settled(points: Sequence[Point]) -> Sequence[Point]:
    """Those after the first ten minutes; of a short run, its second half."""
    end_s = points[-1].seconds
    from_s = min(SETTLE_MIN * 60, end_s / 2)
    return [point for point in points if point.seconds >= from_s]


def write(path: Path, points: Sequence[Point]) -> None:
    """A row for each point."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(Point.__struct_fields__)
        rows.writerows(msgspec.structs.astuple(point) for point in points)
