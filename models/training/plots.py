"""The card's pictures, as SVG: reliability, ROC by person, what alerts cost."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from models.features.moments import Matrix
from models.serving.card import Trade
from models.training import estimator
from models.training.estimator import Labels
from models.training.scores import BINS, people_with_both, reliability

RELIABILITY: Final = "reliability.svg"
ROC: Final = "roc_by_person.svg"
ALERTS: Final = "alerts.svg"
_GRID: Final = np.linspace(0, 1, 101)
_SETTINGS: Final[dict[str, Any]] = {"svg.hashsalt": "stresswire", "svg.fonttype": "none", "path.simplify": False}
"""The same figures give the same bytes."""


class PlotData(NamedTuple):
    """Labelled rows with their probabilities out of fold, and the trade-off of the alerts."""

    y: Labels
    p: Matrix
    person: NDArray[np.str_]
    trades: Sequence[Trade]


def write_plots(directory: Path, data: PlotData) -> None:
    """Write the three pictures into the model's folder."""
    _write(directory / RELIABILITY, data, _reliability)
    _write(directory / ROC, data, _roc)
    _write(directory / ALERTS, data, _alerts)


def _write(path: Path, data: PlotData, draw: Callable[[Any, PlotData], None]) -> None:
    with mpl.rc_context(_SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=(5, 4.2), layout="constrained")
        axes = figure.subplots()
        draw(axes, data)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _reliability(axes: Any, data: PlotData) -> None:
    predicted, was, share = reliability(data.y, data.p)
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.bar(np.arange(BINS) / BINS, share, 1 / BINS, align="edge", color="0.88", label="share of the seconds")
    axes.plot(predicted, was, marker="o", color="C0", label="share of them that are stress")
    axes.set(xlabel="probability given", ylabel="share", xlim=(0, 1), ylim=(0, 1), title="Reliability, out of fold")
    axes.legend(frameon=False, loc="upper left")


def _roc(axes: Any, data: PlotData) -> None:
    people = people_with_both(data.y, data.person)
    curves = []
    for who in people:
        rows = data.person == who
        curves.append(np.interp(_GRID, *estimator.roc_points(data.y[rows], data.p[rows])))
        axes.plot(_GRID, curves[-1].round(3), color="0.75", linewidth=0.6)
    if curves:
        axes.plot(_GRID, np.mean(curves, axis=0).round(3), color="C0", linewidth=2, label="mean of the people")
    axes.plot(_GRID, np.interp(_GRID, *estimator.roc_points(data.y, data.p)).round(3), color="C1", label="all together")
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1, linestyle=":")
    axes.set(
        xlabel="false positive rate",
        ylabel="true positive rate",
        xlim=(0, 1),
        ylim=(0, 1),
        title=f"ROC of each of {len(people)} people, out of fold",
    )
    axes.legend(frameon=False, loc="lower right")


def _alerts(axes: Any, data: PlotData) -> None:
    figures = [trade.figures for trade in data.trades]
    per_hour = [one.false_per_hour for one in figures]
    episodes = max(1, *(one.episodes for one in figures))
    axes.plot(per_hour, [one.covered / episodes for one in figures], marker="o", label="covered: an alert stood in it")
    axes.plot(per_hour, [one.found / episodes for one in figures], marker="s", label="found: an alert was raised in it")
    axes.set(xlabel="false alerts an hour", ylabel="share of the episodes", ylim=(0, 1), title="What alerts cost")
    axes.set_xlim(left=0)
    axes.legend(frameon=False, loc="upper left")
