"""The features of a stream, from the definitions: whole columns, explicit weights, no state. Slow, and independent."""

import math
from collections.abc import Sequence
from itertools import pairwise

Sample = tuple[float, float | None, float | None, float | None]
Bucket = tuple[int, float]

TAUS = (3, 10, 20, 30, 60, 120, 300, 600, 1200)
CHANGE_TAUS = (30, 60, 120, 300, 1200)
DIFFERENCES = (
    *((3, 30), (10, 60), (20, 120), (30, 300), (60, 300), (60, 600)),
    *((10, 300), (30, 1200), (60, 1200), (120, 1200), (300, 1200)),
)
GAP_S, KNOWN_S = 30, 10


def buckets(samples: Sequence[Sample], channel: int) -> list[Bucket]:
    """The mean of every second that has a value, by the number of the second."""
    seconds: dict[int, list[float]] = {}
    for sample in samples:
        value = sample[channel]
        if value is not None:
            seconds.setdefault(math.floor(sample[0] - samples[0][0] + 0.5), []).append(value)
    return [(second, sum(values) / len(values)) for second, values in sorted(seconds.items())]


def runs(found: Sequence[Bucket]) -> list[list[Bucket]]:
    """Split where a silence was longer than a gap; each value the median of its run's newest three, the first tripled."""
    parts: list[list[Bucket]] = []
    for at, (second, _) in enumerate(found):
        if at == 0 or second - found[at - 1][0] > GAP_S:
            parts.append([])
        raw = [value for _, value in found[at - len(parts[-1]) : at + 1]]
        newest = [raw[0], raw[0], *raw][-3:]
        parts[-1].append((second, sorted(newest)[1]))
    return parts


def steps(parts: Sequence[Sequence[Bucket]]) -> list[list[float]]:
    """The seconds since the value before; one for the first of a run."""
    return [[1.0, *(b[0] - a[0] for a, b in pairwise(part))] for part in parts]


def weights(elapsed: Sequence[float], tau: float) -> list[float]:
    """Of each value: its gain, and what every later one left of it."""
    found = []
    for at, dt in enumerate(elapsed):
        later = math.exp(-sum(elapsed[at + 1 :]) / tau)
        found.append((1 - math.exp(-dt / tau)) * later)
    return found


def weighted(values: Sequence[float], elapsed: Sequence[float], tau: float) -> tuple[float, float]:
    """Mean and standard deviation."""
    w = weights(elapsed, tau)
    mean = sum(a * b for a, b in zip(w, values, strict=True)) / sum(w)
    variance = sum(a * (b - mean) ** 2 for a, b in zip(w, values, strict=True)) / sum(w)
    return mean, math.sqrt(max(variance, 0.0))


def moments(parts: Sequence[Sequence[Bucket]], tau: float) -> tuple[float, float]:
    """Over all runs for a slow mean, over the newest for another."""
    chosen = parts if tau >= 600 else parts[-1:]
    values = [value for part in chosen for _, value in part]
    return weighted(values, [dt for part in steps(chosen) for dt in part], tau)


def rest_and_peak(parts: Sequence[Sequence[Bucket]]) -> tuple[float, float]:
    """Levels that the mean over 10 s pulls down, or up, within a minute, and back in half an hour."""
    rest = peak = math.nan
    for at, part in enumerate(parts):
        for upto, dt in enumerate(steps([part])[0]):
            level = moments([*parts[:at], part[: upto + 1]], 10)[0]
            rest, peak = (level, level) if math.isnan(rest) else (rest, peak)
            fast, slow = 1 - math.exp(-dt / 60), 1 - math.exp(-dt / 1800)
            rest += (fast if level < rest else slow) * (level - rest)
            peak += (fast if level > peak else slow) * (level - peak)
    return rest, peak


def responses(values: Sequence[float]) -> list[float]:
    """At each value the height of the skin conductance response that it ends, else 0."""
    found, trough, crest, rising = [0.0], values[0], values[0], False
    for before, now in pairwise(values):
        found.append(crest - trough if now < before and rising and crest - trough > 0.02 else 0.0)
        if now > before:
            trough = trough if rising else before
            crest = now
        rising = rising if now == before else now > before
    return found


def change_series(parts: Sequence[Sequence[Bucket]], tau: float, of: str) -> float:
    """The weighted mean of what changes from value to value; the first of a run changes nothing."""
    chosen = parts if tau >= 600 else parts[-1:]
    series, elapsed = [], []
    for part in chosen:
        own = [value for _, value in part]
        gaps = steps([part])[0]
        heights = responses(own)
        for at in range(1, len(own)):
            series.append(one_change(own, gaps, heights, at, of))
            elapsed.append(gaps[at])
    if not series:
        return 0.0
    return weighted(series, elapsed, tau)[0]


def one_change(own: Sequence[float], gaps: Sequence[float], heights: Sequence[float], at: int, of: str) -> float:
    if of.startswith("hr"):
        after, before = (weighted(own[:upto], gaps[:upto], 10)[0] for upto in (at + 1, at))
        rate = (after - before) / gaps[at]
        return abs(rate) if of == "hr_change" else rate**2
    ln = [math.log(max(value, 0.01)) for value in own[: at + 1]]
    phasic = ln[-1] - weighted(ln, gaps[: at + 1], 20)[0]
    rate, ln_rate = (own[at] - own[at - 1]) / gaps[at], (ln[-1] - ln[-2]) / gaps[at]
    return {
        "eda_change": abs(rate),
        "eda_rise": max(rate, 0.0),
        "ln_eda_change": abs(ln_rate),
        "ln_eda_rise": max(ln_rate, 0.0),
        "scr_rate": (heights[at] > 0) / gaps[at],
        "scr_amplitude": heights[at] / gaps[at],
        "phasic_power": phasic**2,
        "phasic_up": max(phasic, 0.0),
    }[of]


EDA_CHANGES = (
    *("eda_change", "eda_rise", "ln_eda_change", "ln_eda_rise"),
    *("scr_rate", "scr_amplitude", "phasic_power", "phasic_up"),
)
SD_FLOOR = {"hr": 3.0, "eda": 0.1, "temp": 0.1}
SD_RATIO_FLOOR = {"hr": 0.5, "eda": 0.02, "temp": 0.02}
RANGE_FLOOR = {"hr": 4.0, "eda": 0.15}


def features(samples: Sequence[Sample]) -> dict[str, float]:
    """The features after the last of the samples; channels of which nothing is known are missing."""
    now = math.floor(samples[-1][0] - samples[0][0] + 0.5)
    found: dict[str, float] = {}
    for channel, name in ((1, "hr"), (2, "temp"), (3, "eda")):
        parts = runs(buckets(samples, channel))
        if not parts or now - parts[-1][-1][0] > KNOWN_S:
            continue
        level = [[(s, math.log(max(v, 0.01))) for s, v in part] for part in parts] if name == "eda" else parts
        found |= levels(name, level)
        if name != "temp":
            found |= activity(name, parts, level)
    return found


def levels(name: str, parts: Sequence[Sequence[Bucket]]) -> dict[str, float]:
    mean = {tau: moments(parts, tau)[0] for tau in TAUS}
    sd = {tau: moments(parts, tau)[1] for tau in TAUS}
    found = {f"{name}_{a}_{b}": mean[a] - mean[b] for a, b in DIFFERENCES}
    for tau in (10, 30, 60, 120, 300):
        found[f"{name}_z_{tau}"] = (mean[tau] - mean[1200]) / max(sd[1200], SD_FLOOR[name])
        found[f"{name}_sd_{tau}"] = sd[tau]
    for tau in (30, 60):
        found[f"{name}_sd_ratio_{tau}"] = sd[tau] / max(sd[1200], SD_RATIO_FLOOR[name])
    return found


def activity(name: str, parts: Sequence[Sequence[Bucket]], level: Sequence[Sequence[Bucket]]) -> dict[str, float]:
    rest, peak = rest_and_peak(level)
    found = {f"{name}_range": peak - rest}
    for tau in (10, 30, 60, 120):
        found[f"{name}_rest_{tau}"] = moments(level, tau)[0] - rest
        found[f"{name}_place_{tau}"] = found[f"{name}_rest_{tau}"] / max(peak - rest, RANGE_FLOOR[name])
    tonic = max(math.exp(moments(level, 300)[0]), 0.05)
    for change in EDA_CHANGES if name == "eda" else ("hr_change", "hr_change_power"):
        mean = {tau: change_series(parts, tau, change) for tau in CHANGE_TAUS}
        found |= {f"{change}_{tau}": mean[tau] for tau in CHANGE_TAUS[:4]}
        found |= {f"{change}_ratio_{tau}": (mean[tau] + 1e-4) / (mean[1200] + 1e-4) for tau in (30, 60, 120)}
        if change in ("eda_change", "eda_rise", "scr_amplitude"):
            found |= {f"{change}_tonic_{tau}": mean[tau] / tonic for tau in (30, 60, 120)}
    return found
