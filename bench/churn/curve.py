"""Curve of a run: its points, a fitted line, and its CSV file. No other I/O."""

import csv
from collections.abc import Sequence
from math import nan, sqrt
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

SETTLE_MIN: Final = 10.0
"""Minutes in which caches fill; growth after them is a leak."""
MB_DIGITS: Final = 2


class Point(Struct, frozen=True):
    """State of the server at one time. Connections and samples are totals; the CPU share is since the last point."""

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
    """Line by least squares; `error` is the slope's standard error for independent residuals."""

    slope: float
    error: float
    start: float


def fit(x: Sequence[float], y: Sequence[float]) -> Line:
    """Return the line through points; its values are NaN if there are too few."""
    count = len(x)
    if count < 3 or min(x) == max(x):
        return Line(nan, nan, nan)
    mean_x, mean_y = sum(x) / count, sum(y) / count
    spread = sum((x_i - mean_x) ** 2 for x_i in x)
    slope = sum((x_i - mean_x) * (y_i - mean_y) for x_i, y_i in zip(x, y, strict=True)) / spread
    start = mean_y - slope * mean_x
    residuals = sum((y_i - start - slope * x_i) ** 2 for x_i, y_i in zip(x, y, strict=True))
    return Line(slope, sqrt(residuals / (count - 2) / spread), start)


def settled(points: Sequence[Point]) -> Sequence[Point]:
    """Return the points after `SETTLE_MIN`, or the second half of a short run."""
    end_s = points[-1].seconds
    from_s = min(SETTLE_MIN * 60, end_s / 2)
    return [point for point in points if point.seconds >= from_s]


def write(path: Path, points: Sequence[Point]) -> None:
    """Write a CSV file with a row for each point."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(Point.__struct_fields__)
        rows.writerows(msgspec.structs.astuple(point) for point in points)
