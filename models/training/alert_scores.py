"""Scores of alert policies on labelled probabilities, and the choice of a policy."""

from collections.abc import Iterable, Sequence
from functools import partial
from statistics import median
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.features.moments import GAP_S
from models.serving.alerts import AlertPolicy, AlertState, step
from models.serving.card import AlertFigures, Trade
from models.training.progress import Steps
from models.training.scores import spread
from models.training.workers import Workers

FALSE_PER_HOUR: Final = 1.0
CALM_ALERT_SHARE: Final = 0.15
"""An alert that stands for more of the calm time says nothing."""
_TAUS_S: Final = (8.0, 15.0, 30.0)
_RAISE_STEPS: Final = np.arange(0.30, 0.76, 0.04)
_CLEAR_SHARES: Final = (0.4, 0.6, 0.8)
_COOLDOWNS_S: Final = (60.0, 180.0)


class Timeline(NamedTuple):
    """One recording: times in seconds, probabilities, labels (0, 1, else unlabelled), fit to raise an alert or not."""

    t_s: list[float]
    p: list[float]
    y: list[int]
    usable: list[bool]


class Outcome(NamedTuple):
    """The result of a policy on one timeline; `delays_s` has one entry for each episode that was found."""

    episodes: int
    covered: int
    delays_s: list[float]
    false_alerts: int
    recorded_s: float
    calm_s: float
    calm_alert_s: float


Lines = dict[str, list[Timeline]]
"""Each person's recordings."""


def timelines(
    person: NDArray[np.str_],
    stream: NDArray[np.int64],
    t_s: NDArray[np.float64],
    p: NDArray[np.float64],
    y: NDArray[np.int64],
    usable: NDArray[np.bool_],
) -> Lines:
    """The rows by person and recording, in their order."""
    found: Lines = {}
    for number in np.unique(stream):
        rows = stream == number
        line = Timeline(t_s[rows].tolist(), p[rows].tolist(), y[rows].tolist(), usable[rows].tolist())
        found.setdefault(str(person[rows][0]), []).append(line)
    return found


def run(policy: AlertPolicy, line: Timeline) -> Outcome:
    """Run the machine over a timeline. An episode is an unbroken run of rows labelled 1."""
    state = AlertState()
    episodes, covered, false_alerts, recorded_s, calm_s, calm_alert_s = 0, 0, 0, 0.0, 0.0, 0.0
    delays_s: list[float] = []
    began_s, before_s = 0.0, None
    in_episode = found = stood = False
    for t_s, p, y, usable in zip(*line, strict=True):
        if y == 1 and not in_episode:
            episodes, began_s, found, stood = episodes + 1, t_s, False, False
        in_episode = y == 1
        dt_s = 0.0 if before_s is None else min(t_s - before_s, GAP_S)
        recorded_s += dt_s
        calm_s += dt_s * (y == 0)
        calm_alert_s += dt_s * (y == 0 and state.raised)
        state, change = step(policy, state, t_s, p, usable=usable)
        if change == "raised" and y == 0:
            false_alerts += 1
        if change == "raised" and in_episode and not found:
            found = True
            delays_s.append(t_s - began_s)
        if state.raised and in_episode and not stood:
            stood, covered = True, covered + 1
        before_s = t_s
    return Outcome(episodes, covered, delays_s, false_alerts, recorded_s, calm_s, calm_alert_s)


def figures(people: Iterable[Sequence[Outcome]]) -> AlertFigures:
    """Sums over all that each person's recordings showed."""
    by_person = [own for own in people if own]
    every = [outcome for own in by_person for outcome in own]
    delays_s = [delay for outcome in every for delay in outcome.delays_s]
    false_alerts, recorded_s = _sum(every, "false_alerts"), _sum(every, "recorded_s")
    calm_s, episodes = _sum(every, "calm_s"), _sum(every, "episodes")
    return AlertFigures(
        episodes=int(episodes),
        found=len(delays_s),
        covered=int(_sum(every, "covered")),
        false_alerts=int(false_alerts),
        recorded_hours=recorded_s / 3600,
        calm_hours=calm_s / 3600,
        false_per_hour=_per_hour(false_alerts, recorded_s),
        false_per_calm_hour=_per_hour(false_alerts, calm_s),
        calm_alert_share=_sum(every, "calm_alert_s") / calm_s if calm_s else 0.0,
        median_delay_s=median(delays_s) if delays_s else None,
        covered_by_person=spread([_sum(own, "covered") / n for own in by_person if (n := _sum(own, "episodes"))]),
        false_per_hour_by_person=spread(
            [_per_hour(_sum(own, "false_alerts"), recorded) for own in by_person if (recorded := _sum(own, "recorded_s"))]
        ),
    )


def _sum(outcomes: Sequence[Outcome], what: str) -> float:
    return float(sum(getattr(outcome, what) for outcome in outcomes))


def _per_hour(count: float, seconds: float) -> float:
    return 3600 * count / seconds if seconds else 0.0


def policies(prior: float) -> list[AlertPolicy]:
    """The policies to choose from; the smoothing rests at the prior."""
    return [
        AlertPolicy(tau_s, round(float(at), 3), round(float(at) * share, 3), cooldown_s, round(prior, 3))
        for tau_s in _TAUS_S
        for at in _RAISE_STEPS
        for share in _CLEAR_SHARES
        for cooldown_s in _COOLDOWNS_S
        if at > prior
    ]


class Trials:
    """Every policy run once over every recording, so that choosing for any group of people costs nothing more."""

    def __init__(self, outcomes: dict[AlertPolicy, dict[str, list[Outcome]]]) -> None:
        self.outcomes = outcomes

    def of(self, policy: AlertPolicy, people: Sequence[str]) -> list[list[Outcome]]:
        """Return the outcomes of a policy on each recording of these people."""
        return [self.outcomes[policy][who] for who in people]

    def choose(self, people: Sequence[str], per_hour: float = FALSE_PER_HOUR) -> Trade:
        """The policy that covers most of these people's episodes at no more than so many false alerts an hour.

        And whose alerts stand for no more than `CALM_ALERT_SHARE` of the calm time. If none is like that, the quietest. Of
        equals the one that finds more, then the quieter.
        """
        tried = [Trade(per_hour, policy, figures(self.of(policy, people))) for policy in self.outcomes]
        quiet = [trade for trade in tried if _is_quiet(trade.figures, per_hour)]
        if not quiet:
            return min(tried, key=lambda trade: trade.figures.false_per_hour)
        return max(quiet, key=_worth)


def try_policies(lines: Lines, prior: float, steps: Steps, workers: Workers) -> Trials:
    """Run every policy over every recording, person by person."""
    tried = policies(prior)
    people = workers.run(
        (partial(_run_all, tried, own) for own in lines.values()), lambda _: steps.begin("trying alert policies")
    )
    by_policy = zip(tried, zip(*people, strict=True), strict=True)
    return Trials({policy: dict(zip(lines, outcomes, strict=True)) for policy, outcomes in by_policy})


def _run_all(tried: Sequence[AlertPolicy], lines: Sequence[Timeline]) -> list[list[Outcome]]:
    return [[run(policy, line) for line in lines] for policy in tried]


def _is_quiet(seen: AlertFigures, per_hour: float) -> bool:
    return seen.false_per_hour <= per_hour and seen.calm_alert_share <= CALM_ALERT_SHARE


def _worth(trade: Trade) -> tuple[int, int, float]:
    seen = trade.figures
    return seen.covered, seen.found, -seen.false_per_hour
