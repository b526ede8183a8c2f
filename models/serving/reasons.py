"""Reasons of a score in words and numbers: the contribution of each group of features to the log-odds."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from broker.contract import Reason
from models.features.moments import Matrix
from models.features.names import FEATURES, channel_of

MAX_REASONS: Final = 3
LEAST_WEIGHT: Final = 0.1
"""The least contribution to the log-odds that is given as a reason."""


def _side(value: float) -> str:
    return "above" if value >= 0 else "below"


class Group(NamedTuple):
    """Features that say one thing; `feature` is the one whose value the words quote."""

    name: str
    feature: str
    text: Callable[[float], str]


GROUPS: Final = (
    Group("hr_level", "hr_60_1200", lambda v: f"heart rate {abs(v):.1f} bpm {_side(v)} your baseline"),
    Group("hr_trend", "hr_60_300", lambda v: f"heart rate {abs(v):.1f} bpm {_side(v)} that of the last five minutes"),
    Group("hr_variability", "hr_sd_60", lambda v: f"heart rate within {v:.1f} bpm (SD) over the last minute"),
    Group("eda_level", "eda_z_60", lambda v: f"skin conductance {abs(v):.1f} SD {_side(v)} your baseline"),
    Group(
        "eda_trend", "eda_10_60", lambda v: f"skin conductance {abs(np.expm1(v)):.0%} {_side(v)} that of the last minute"
    ),
    Group("eda_activity", "eda_change_ratio_60", lambda v: f"skin conductance moving {v:.1f} times as much as usual"),
    Group("scr", "scr_rate_60", lambda v: f"{60 * v:.0f} skin conductance responses a minute"),
    Group("temp", "temp_60_600", lambda v: f"skin temperature {abs(v):.2f} °C {_side(v)} that of the last ten minutes"),
)


def group_of(feature: str) -> int:
    """The number of the group that a feature belongs to."""
    kind = _kind(feature)
    return next(number for number, group in enumerate(GROUPS) if group.name == kind)


def _kind(feature: str) -> str:
    channel = channel_of(feature)
    if channel == "temp":
        return "temp"
    if feature.startswith("scr_"):
        return "scr"
    parts = feature.split("_")
    if parts[0] != channel or parts[1] in ("change", "rise", "sd"):
        return "hr_variability" if channel == "hr" else "eda_activity"
    level = parts[1] in ("z", "rest", "place", "range") or parts[2] == "1200"
    return f"{channel}_level" if level else f"{channel}_trend"


GROUP_OF_FEATURE: Final = tuple(group_of(name) for name in FEATURES)
_QUOTED: Final = [FEATURES.index(group.feature) for group in GROUPS]


def reasons_of(shares: Matrix, x: Matrix) -> list[tuple[Reason, ...]]:
    """Up to `MAX_REASONS` for each row, the heaviest first; a positive weight speaks for stress.

    `shares` (rows, groups) are calibrated log-odds. A group whose quoted feature is unknown gives no reason.
    """
    quoted = x[:, _QUOTED]
    weight = np.where(np.isnan(quoted), 0.0, np.abs(shares))
    heaviest = np.argsort(-weight, axis=1, kind="stable")[:, :MAX_REASONS]
    rows = zip(heaviest.tolist(), weight.tolist(), shares.tolist(), quoted.tolist(), strict=True)
    return [
        tuple(
            Reason(GROUPS[at].name, GROUPS[at].text(values[at]), round(share[at], 2))
            for at in chosen
            if sizes[at] >= LEAST_WEIGHT
        )
        for chosen, sizes, share, values in rows
    ]
