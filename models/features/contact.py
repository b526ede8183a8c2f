"""Contact: which channels of a sample are missing, stuck, or measure something that is not skin."""

from typing import Final, NamedTuple

import numpy as np

from models.features.moments import EDA, GAP_S, TEMP, Flags, Matrix
from models.features.row import HEARD, LAST, MOVED

LOW_EDA_US: Final = 0.05
OFF_SKIN_C: Final = 25.0
FROZEN_S: Final = np.array([120.0, 120.0, 600.0])
"""A heart rate, EDA, temperature that did not change at all for so long comes from a sensor that is stuck."""


class Contact(NamedTuple):
    """Faults of a sample's channels, each of shape (rows, channels)."""

    missing: Flags
    frozen: Flags
    bad: Flags
    """EDA near zero, a temperature that no skin has."""


def take_contact(rows: Matrix, t_s: Matrix, second: Matrix, values: Matrix) -> Contact:
    """Return the contact of one sample of each stream, and keep its values in `rows`; arguments as in `advance`."""
    here = ~np.isnan(values)
    fresh = ~(second[:, None] - rows[:, HEARD] <= GAP_S)
    moved = here & (fresh | (values != rows[:, LAST]))
    rows[:, MOVED] = np.where(moved, t_s[:, None], rows[:, MOVED])
    rows[:, LAST] = np.where(here, values, rows[:, LAST])
    rows[:, HEARD] = np.where(here, second[:, None], rows[:, HEARD])
    bad = np.zeros_like(here)
    bad[:, EDA] = values[:, EDA] < LOW_EDA_US
    bad[:, TEMP] = values[:, TEMP] < OFF_SKIN_C
    return Contact(~here, here & ~bad & (t_s[:, None] - rows[:, MOVED] >= FROZEN_S), bad)
