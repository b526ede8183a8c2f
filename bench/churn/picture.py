"""Plot of the curve: memory and descriptors over time. The same points give the same bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.churn.curve import SETTLE_MIN, Point, fit, settled

_SETTINGS: Final[dict[str, Any]] = {"svg.hashsalt": "stresswire", "svg.fonttype": "none", "path.simplify": False}


def draw(path: Path, points: Sequence[Point]) -> None:
    """Write the plot as SVG."""
    with mpl.rc_context(_SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=(7, 5), layout="constrained")
        memory, descriptors = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
        _memory(memory, points)
        _descriptors(descriptors, points)
        for axes in (memory, descriptors):
            if points[-1].seconds >= SETTLE_MIN * 60:
                axes.axvline(SETTLE_MIN, color="0.7", linewidth=1, linestyle=":")
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_ylim(bottom=0)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _memory(axes: Any, points: Sequence[Point]) -> None:
    minutes = [point.seconds / 60 for point in points]
    axes.plot(minutes, [point.resident_mb for point in points], color="C0", label="resident")
    axes.plot(minutes, [point.anonymous_mb for point in points], color="C1", label="of it anonymous")
    steady = settled(points)
    steady_minutes = [point.seconds / 60 for point in steady]
    line = fit(steady_minutes, [point.resident_mb for point in steady])
    slope = f"{line.slope * 60:+.2f} MB an hour from minute {steady_minutes[0]:.0f} on"
    fitted = [line.start + line.slope * minute for minute in steady_minutes]
    axes.plot(steady_minutes, fitted, color="0.3", linewidth=1, label=slope)
    axes.set(ylabel="memory (MB)", title="The server while clients come and go")
    axes.legend(frameon=False, loc="lower right")


def _descriptors(axes: Any, points: Sequence[Point]) -> None:
    minutes = [point.seconds / 60 for point in points]
    axes.plot(minutes, [point.descriptors for point in points], color="C2")
    axes.set(ylabel="open descriptors", xlabel="minutes", xlim=(0, minutes[-1]))
