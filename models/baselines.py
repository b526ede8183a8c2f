"""Exponentially weighted mean and spread of a channel in event time, bias-corrected.

The weights of what was seen always sum to one, so a young baseline is the plain mean of what there is: neither pulled
towards zero nor towards the first value. It sees the time between samples, never the time since the start. (Weighted
incremental update: T. Finch, Incremental calculation of weighted mean and variance, 2009, sections 4 and 9.)
"""

from math import expm1, nan, sqrt

_FIRST_DT_S = 1.0


class Baseline:
    """Mean and standard deviation with time constant `tau_s`; the value of a channel is fed with `update`."""

    __slots__ = ("mean", "squares", "tau_s", "weight")

    def __init__(self, tau_s: float) -> None:
        self.tau_s = tau_s
        self.mean = nan
        self.weight = 0.0
        self.squares = 0.0

    def update(self, value: float, dt_s: float | None) -> None:
        """Add a value, `dt_s` seconds after the one before; None: it is the first."""
        alpha = -expm1(-(_FIRST_DT_S if dt_s is None else dt_s) / self.tau_s)
        if not self.weight:
            self.mean, self.weight = value, alpha
            return
        keep = 1.0 - alpha
        self.weight = self.weight * keep + alpha
        delta = value - self.mean
        self.mean += delta * alpha / self.weight
        self.squares = self.squares * keep + alpha * delta * (value - self.mean)

    def sd(self) -> float:
        """The weighted standard deviation; 0 with fewer than two values."""
        return sqrt(self.squares / self.weight) if self.weight else 0.0

    def copy(self) -> "Baseline":
        """An independent copy."""
        twin = Baseline(self.tau_s)
        twin.mean, twin.weight, twin.squares = self.mean, self.weight, self.squares
        return twin

    def dump(self) -> tuple[float, float, float]:
        """What `restore` needs."""
        return self.mean, self.weight, self.squares

    def restore(self, dumped: tuple[float, float, float]) -> None:
        """Take over what `dump` gave."""
        self.mean, self.weight, self.squares = dumped
