"""From a probability to what is said: warm-up, level and quality. Pure, and the same in training and serving."""

from typing import Final

from broker.contract import Quality, StressLevel

WARM_UP_S: Final = 60.0
"""Before its windows hold this many seconds, a stream says little about a person."""


def shrink(p: float, age_s: float, prior: float) -> float:
    """`p` drawn towards the prior, in proportion to what is missing of the warm-up."""
    return prior + (p - prior) * min(age_s / WARM_UP_S, 1.0)


def level_of(p: float, age_s: float, thresholds: tuple[float, float]) -> StressLevel:
    """`normal` below t1 and while warming up, `elevated` below t2, else `high_stress`."""
    if p < thresholds[0] or age_s < WARM_UP_S:
        return "normal"
    return "elevated" if p < thresholds[1] else "high_stress"


def quality_of(age_s: float, hr: float | None, temp: float | None, eda: float | None) -> tuple[Quality, ...]:
    """What limits this reading: too young a stream, sensors without contact."""
    flags: tuple[Quality, ...] = ("warming_up",) if age_s < WARM_UP_S else ()
    if hr is None:
        flags += ("no_hr",)
    if temp is None:
        flags += ("no_temp",)
    if eda is None:
        flags += ("no_eda",)
    return flags
