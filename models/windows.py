"""Sliding windows over a channel in one-second buckets, with exact running sums.

A running sum of floats drifts: what was added is never quite what is taken away. Here a bucket holds a fixed-point
integer (2^-20 of the channel's unit), so adding and removing cancel exactly, for days, and the sums need not be stored:
they are rebuilt from the buckets, bit for bit. At ten samples a second a bucket holds their mean, so memory is bounded by
seconds, not by samples.
"""

import struct
from array import array
from math import nan, sqrt

_SCALE = 1 << 20
_LIMIT = (1 << 31) - 1
_EMPTY = -_LIMIT - 1


class Window:
    """Sums over the last `span` buckets that hold a value: their number, values, squares, positions and products."""

    __slots__ = ("k", "kk", "ky", "n", "span", "y", "yy")

    def __init__(self, span: int) -> None:
        self.span = span
        self.n = self.y = self.yy = self.k = self.kk = self.ky = 0

    def add(self, k: int, y: int) -> None:
        """Count the value `y` of bucket `k`."""
        self.n += 1
        self.y += y
        self.yy += y * y
        self.k += k
        self.kk += k * k
        self.ky += k * y

    def remove(self, k: int, y: int) -> None:
        """Undo `add`, exactly."""
        self.n -= 1
        self.y -= y
        self.yy -= y * y
        self.k -= k
        self.kk -= k * k
        self.ky -= k * y

    def mean(self) -> float:
        """The mean, in the channel's unit; NaN without a value."""
        return self.y / (self.n * _SCALE) if self.n else nan

    def total(self) -> float:
        """The sum, in the channel's unit."""
        return self.y / _SCALE

    def sd(self, least: int) -> float:
        """The standard deviation, in the channel's unit; NaN with fewer than `least` values."""
        n = self.n
        return sqrt(n * self.yy - self.y * self.y) / (n * _SCALE) if n >= least else nan

    def slope(self, least: int) -> float:
        """The least-squares slope, in units a second; NaN with fewer than `least` (at least 2) values."""
        n = self.n
        if n < least:
            return nan
        return (n * self.ky - self.k * self.y) / ((n * self.kk - self.k * self.k) * _SCALE)

    def copy(self) -> "Window":
        """An independent copy."""
        twin = Window.__new__(Window)
        twin.span, twin.n, twin.y, twin.yy = self.span, self.n, self.y, self.yy
        twin.k, twin.kk, twin.ky = self.k, self.kk, self.ky
        return twin


class Series:
    """The newest buckets of one channel and its windows, the shortest first.

    Bucket numbers only rise. The newest bucket is the mean of what has come for it so far.
    """

    __slots__ = ("buckets", "newest", "part_n", "part_sum", "windows")

    def __init__(self, *spans: int) -> None:
        self.windows = tuple(Window(span) for span in sorted(spans))
        self.buckets = array("i", [_EMPTY]) * max(spans)
        self.newest = -1
        self.part_sum = 0
        self.part_n = 0

    def advance(self, k: int) -> None:
        """Make `k` the newest bucket, empty until a value is put; what leaves a window leaves its sums."""
        buckets = self.buckets
        size = len(buckets)
        for new in range(self.newest + 1, k + 1):
            for window in self.windows:
                old = new - window.span
                if old >= 0 and (y := buckets[old % size]) != _EMPTY:
                    window.remove(old, y)
            buckets[new % size] = _EMPTY
        self.newest = k
        self.part_sum = self.part_n = 0

    def put(self, value: float) -> None:
        """One more value for the newest bucket; beyond +-2047 units it counts as that."""
        k = self.newest
        slot = k % len(self.buckets)
        old = self.buckets[slot]
        self.part_sum += max(-_LIMIT, min(_LIMIT, round(value * _SCALE)))
        self.part_n += 1
        new = self.part_sum // self.part_n
        self.buckets[slot] = new
        for window in self.windows:
            if old != _EMPTY:
                window.remove(k, old)
            window.add(k, new)

    def copy(self) -> "Series":
        """An independent copy."""
        twin = Series.__new__(Series)
        twin.windows = tuple([window.copy() for window in self.windows])
        twin.buckets = self.buckets[:]
        twin.newest, twin.part_sum, twin.part_n = self.newest, self.part_sum, self.part_n
        return twin

    def dump(self) -> tuple[int, int, int, bytes]:
        """What `restore` needs, of plain values; the buckets as little-endian 32-bit integers."""
        return self.newest, self.part_sum, self.part_n, struct.pack(f"<{len(self.buckets)}i", *self.buckets)

    def restore(self, dumped: tuple[int, int, int, bytes]) -> None:
        """Take over what `dump` gave, the sums rebuilt. Raises ValueError if it is of another size."""
        newest, self.part_sum, self.part_n, packed = dumped
        size = len(self.buckets)
        if len(packed) != 4 * size:
            raise ValueError(f"a window of {size} s was stored with {len(packed)} bytes")
        self.buckets = array("i", struct.unpack(f"<{size}i", packed))
        self.newest = newest
        self.windows = tuple(Window(window.span) for window in self.windows)
        for window in self.windows:
            for k in range(max(0, newest - window.span + 1), newest + 1):
                if (y := self.buckets[k % size]) != _EMPTY:
                    window.add(k, y)
