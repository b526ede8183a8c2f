"""The fields of a stream's row: a header, and the moments (see `moments`) up to two seconds."""

from math import nan
from typing import Final

import numpy as np

from models.features.moments import PART, Matrix, empty_part

_HEADER: Final = 19
NEWEST, ORIGIN, START, SECOND = range(4)
SUM, COUNT, LAST, MOVED, HEARD = (slice(at, at + 3) for at in range(4, _HEADER, 3))
"""Of each channel: the open second's values, the newest value, when it last changed, and when it was measured, in seconds
after `ORIGIN`.
"""
BASE: Final = slice(_HEADER, _HEADER + PART.width)
OPEN: Final = slice(_HEADER + PART.width, _HEADER + 2 * PART.width)
WIDTH: Final = _HEADER + 2 * PART.width
"""Numbers in a row; a device takes eight bytes for each."""


def empty_row() -> Matrix:
    """The state of a stream of which nothing is known, of shape (`WIDTH`,)."""
    row = np.zeros(WIDTH)
    row[NEWEST] = row[ORIGIN] = row[START] = nan
    row[SECOND] = -1.0
    row[LAST] = row[MOVED] = row[HEARD] = nan
    row[BASE] = row[OPEN] = empty_part()
    return row
