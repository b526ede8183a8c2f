"""What an alert policy makes of labelled probabilities, and which policy to choose."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.alerts import AlertPolicy, AlertState, step
from models.card import AlertFigures, Trade

TAU_S: Final = 15.0
FALSE_PER_HOUR: Final = 2.0
_RAISE_STEPS: Final = np.arange(0.30, 0.76, 0.03)
_CLEAR_SHARES: Final = (0.7, 0.85)
_COOLDOWNS_S: Final = (60.0, 180.0)


class Timeline(NamedTuple):
    """One person's recording: times in seconds, probabilities, labels (0, 1, else unlabelled), usable or warming up."""

    t_s: list[float]
    p: list[float]
    y: list[int]
    usable: list[bool]


class Outcome(NamedTuple):
    """What a policy did on one timeline; a delay in seconds for every episode that was found."""

    episodes: int
    covered: int
    delays_s: list[float]
    false_alerts: int
    calm_s: float


def timelines(
    person: NDArray[np.str_],
    t_s: NDArray[np.float64],
    p: NDArray[np.float64],
    y: NDArray[np.int64],
    usable: NDArray[np.bool_],
) -> dict[str, Timeline]:
    """The rows by person, in their order."""
    found = {}
    for name in np.unique(person):
        rows = person == name
        found[str(name)] = Timeline(t_s[rows].tolist(), p[rows].tolist(), y[rows].tolist(), usable[rows].tolist())
    return found


def run(policy: AlertPolicy, line: Timeline) -> Outcome:
    """Run the machine over a timeline. An episode is an unbroken run of rows labelled 1."""
    state = AlertState()
    episodes, covered, false_alerts, calm_s = 0, 0, 0, 0.0
    delays_s: list[float] = []
    began_s, before_s = 0.0, None
    in_episode = found = stood = False
    for t_s, p, y, usable in zip(*line, strict=True):
        if y == 1 and not in_episode:
            episodes, began_s, found, stood = episodes + 1, t_s, False, False
        in_episode = y == 1
        if y == 0 and before_s is not None:
            calm_s += min(t_s - before_s, 30.0)
        state, change = step(policy, state, t_s, p, usable=usable)
        if change == "raised" and y == 0:
            false_alerts += 1
        if change == "raised" and in_episode and not found:
            found = True
            delays_s.append(t_s - began_s)
        if state.raised and in_episode and not stood:
            stood, covered = True, covered + 1
        before_s = t_s
    return Outcome(episodes, covered, delays_s, false_alerts, calm_s)


def figures(outcomes: Iterable[Outcome]) -> AlertFigures:
    """Sums over people."""
    every = list(outcomes)
    delays_s = [delay for outcome in every for delay in outcome.delays_s]
    false_alerts = sum(outcome.false_alerts for outcome in every)
    hours = sum(outcome.calm_s for outcome in every) / 3600
    return AlertFigures(
        episodes=sum(outcome.episodes for outcome in every),
        found=len(delays_s),
        covered=sum(outcome.covered for outcome in every),
        false_alerts=false_alerts,
        calm_hours=hours,
        false_per_hour=false_alerts / hours if hours else 0.0,
        median_delay_s=median(delays_s) if delays_s else None,
    )


def policies(prior: float) -> list[AlertPolicy]:
    """The policies to choose from; the smoothing rests at the prior."""
    return [
        AlertPolicy(TAU_S, round(float(at), 3), round(float(at) * share, 3), cooldown_s, round(prior, 3))
        for at in _RAISE_STEPS
        for share in _CLEAR_SHARES
        for cooldown_s in _COOLDOWNS_S
        if at > prior
    ]


class Trials:
    """Every policy run once over every person, so that choosing for any group of people costs nothing more."""

    def __init__(self, lines: dict[str, Timeline], prior: float) -> None:
        self.outcomes = {policy: {who: run(policy, line) for who, line in lines.items()} for policy in policies(prior)}

    def choose(self, people: Sequence[str], per_hour: float = FALSE_PER_HOUR) -> Trade:
        """The policy that finds most of these people's episodes at no more than so many false alerts an hour.

        If none is that quiet, the quietest. Of equals the quieter, then the quicker one.
        """
        tried = [Trade(per_hour, policy, figures(by[who] for who in people)) for policy, by in self.outcomes.items()]
        quiet = [trade for trade in tried if trade.figures.false_per_hour <= per_hour]
        if not quiet:
            return min(tried, key=lambda trade: trade.figures.false_per_hour)
        return max(quiet, key=_worth)


def _worth(trade: Trade) -> tuple[int, float, float]:
    seen = trade.figures
    return seen.found, -seen.false_per_hour, -(seen.median_delay_s or 0.0)
