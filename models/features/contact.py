"""Contact: which channels of a stream are missing, stuck, or measure something that is not skin.

Many devices send each sensor in messages of its own, at its own rate. So contact is judged over a window per channel and
not by what one sample carries: a channel that a sample leaves out is as it was last heard, until its window is over.
"""

from typing import Final, NamedTuple

import numpy as np

from models.features.moments import Flags, Matrix
from models.features.row import HEARD, LAST, MOVED, ORIGIN

KNOWN_S: Final = 10.0
"""The features of a channel are unknown after a longer silence."""
WINDOW_S: Final = np.array([KNOWN_S, KNOWN_S, 90.0])
"""After a longer silence heart rate, EDA, temperature are missing. No alert is raised on what is unknown; temperature is
not needed for one, and where it is measured now and then, it is once a minute.
"""
STALE_S: Final = np.array([30.0, 30.0, 90.0])
"""After a longer silence it does not count any more what a channel said last, be it good or bad."""
LOW_EDA_US: Final = 0.05
OFF_SKIN_C: Final = 25.0
_LEAST: Final = np.array([-np.inf, LOW_EDA_US, OFF_SKIN_C])
FROZEN_S: Final = np.array([120.0, 120.0, 600.0])
"""A heart rate, EDA, temperature that did not change at all for so long comes from a sensor that is stuck."""


class Contact(NamedTuple):
    """Faults of the channels at a sample, each of shape (rows, channels)."""

    missing: Flags
    """Silent for longer than its window."""
    frozen: Flags
    bad: Flags
    """EDA near zero, a temperature that no skin has."""


def take_contact(rows: Matrix, measured_s: Matrix, values: Matrix) -> tuple[Flags, Flags]:
    """Return which channels are bad and which are stuck by their newest values; keep the sample's values in `rows`.

    Arguments as in `advance`.
    """
    here = ~np.isnan(values)
    now_s, origin_s = measured_s[:, None], rows[:, ORIGIN, None]
    heard_s = origin_s + rows[:, HEARD]
    fresh = ~(now_s - heard_s <= STALE_S)
    moved = here & (fresh | (values != rows[:, LAST]))
    rows[:, MOVED] = moved_s = np.where(moved, now_s, rows[:, MOVED])
    rows[:, LAST] = last = np.where(here, values, rows[:, LAST])
    rows[:, HEARD] = np.where(here, now_s - origin_s, rows[:, HEARD])
    heard_s = np.where(here, now_s, heard_s)
    bad = (last < _LEAST) & (here | ~fresh)
    return bad, ~bad & (heard_s - moved_s >= FROZEN_S)
