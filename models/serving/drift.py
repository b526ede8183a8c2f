"""Drift: the distance of the newest values' distribution from that of the training data.

Population stability index: the sum over bins of (now - then) * ln(now / then), of shares. By custom below .1 is stable,
from .25 on a large shift (N. Siddiqi, Credit Risk Scorecards, 2006).
"""

from collections.abc import Mapping, Sequence
from math import log
from typing import Final

import numpy as np

from models.features.moments import Matrix
from models.serving.card import Reference

BINS: Final = 10
STABLE: Final = 0.1
LARGE: Final = 0.25
LEAST: Final = 500
"""With fewer values chance alone makes a shift."""
HALF_LIFE: Final = 20_000
"""So many values later, a value counts for half."""
_FLOOR: Final = 1e-4


def reference_of(values: Matrix) -> Reference:
    """Return the distribution of values in bins of equal share; NaN is left out."""
    known = values[~np.isnan(values)]
    if not len(known):
        return Reference((), (1.0,))
    edges = tuple(np.unique(np.quantile(known, np.arange(1, BINS) / BINS).round(4)).tolist())
    counts = np.array(Reference(edges, (0.0,) * (len(edges) + 1)).counts(known.tolist()))
    return Reference(edges, tuple((counts / len(known)).round(6).tolist()))


def stability(reference: Reference, counts: Sequence[float]) -> float | None:
    """The population stability index of counts in the reference's bins; None with fewer than `LEAST` values."""
    total = sum(counts)
    if total < LEAST:
        return None
    pairs = [(max(count / total, _FLOOR), max(then, _FLOOR)) for count, then in zip(counts, reference.shares, strict=True)]
    return sum((now - then) * log(now / then) for now, then in pairs)


def verdict(index: float | None) -> str:
    """Return an index in words: `stable`, `moderate shift`, `large shift` or `too few readings`."""
    if index is None:
        return "too few readings"
    return "stable" if index < STABLE else "moderate shift" if index < LARGE else "large shift"


class Drift:
    """Exponentially weighted histograms of the newest values, by input."""

    def __init__(self, reference: Mapping[str, Reference]) -> None:
        self._reference = reference
        self._counts = {name: np.zeros(len(one.shares)) for name, one in reference.items()}

    def add(self, values: Mapping[str, Sequence[float | None]]) -> None:
        """Count values of the inputs, any number of each; None is a sensor without contact."""
        for name, each in values.items():
            known = [value for value in each if value is not None]
            counts = self._counts[name]
            counts *= 0.5 ** (len(known) / HALF_LIFE)
            counts += self._reference[name].counts(known)

    def count(self, name: str) -> float:
        """Return the weighted count of an input's values."""
        return float(self._counts[name].sum())

    def index(self, name: str) -> float | None:
        """Return the stability index of an input; None with too few values."""
        return stability(self._reference[name], self._counts[name].tolist())
