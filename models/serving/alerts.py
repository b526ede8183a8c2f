"""Raising and clearing of alerts: a pure state machine in event time.

The probability of a single reading jumps; what deserves an alarm lasts. So the machine smooths it, raises at one
threshold, clears at a lower one, and then keeps quiet for a while. Four rules stand above that:

* one wild reading never raises: the readings themselves must have stood at `raise_at` for `HOLD_S`, without a break
  longer than `BREAK_S`, and no reading counts for more than `MAX_RISE_S` of evidence;
* a reading that is not newer than the newest moves nothing;
* after `GAP_S` of silence nothing is known any more: the smoothing starts again at `rest`, and a raised alert is cleared
  by the next reading unless that reading itself keeps it;
* a reading that is not usable (warming up) may lower the smoothed probability, never lift it, never raise an alert.
"""

from math import expm1
from typing import Final

import msgspec

from broker.contract import AlertState as AlertChange

HOLD_S: Final = 5.0
BREAK_S: Final = 30.0
MAX_RISE_S: Final = 5.0
GAP_S: Final = 300.0


class AlertPolicy(msgspec.Struct, frozen=True):
    """Probabilities in 0-1, times in seconds of event time; `raise_at` > `clear_at`, else ValueError.

    `rest` is where the smoothing starts: what is thought of a person before anything is known.
    """

    tau_s: float
    raise_at: float
    clear_at: float
    cooldown_s: float
    rest: float

    def __post_init__(self) -> None:
        if not 0 < self.clear_at < self.raise_at < 1:
            raise ValueError(f"0 < clear_at < raise_at < 1 must hold, got {self.clear_at} and {self.raise_at}")
        if self.tau_s <= 0 or self.cooldown_s < 0 or not 0 <= self.rest < self.raise_at:
            raise ValueError("tau_s must be above 0, cooldown_s at least 0, rest from 0 to below raise_at")


class AlertState(msgspec.Struct, frozen=True):
    """One device's alert; a new device starts with `AlertState()`. Every time is in seconds, None: not yet.

    `over_since_s` is when the unbroken run of readings at `raise_at` or more began that the newest one belongs to.
    """

    smoothed: float | None = None
    raised: bool = False
    newest_s: float | None = None
    cleared_s: float | None = None
    over_since_s: float | None = None


def step(
    policy: AlertPolicy, state: AlertState, t_s: float, p: float, *, usable: bool = True
) -> tuple[AlertState, AlertChange | None]:
    """The state after a reading at `t_s` with the probability `p`, and what it did to the alert, if anything."""
    before_s = state.newest_s
    if before_s is not None and t_s <= before_s:
        return state, None
    dt_s = 1.0 if before_s is None else t_s - before_s
    over_since_s = _over_since(policy, state, t_s, p, dt_s) if usable else None
    smoothed = _smooth(policy, state, dt_s, p, usable)
    if state.raised:
        if smoothed < policy.clear_at:
            return AlertState(smoothed, False, t_s, t_s, over_since_s), "cleared"
        return AlertState(smoothed, True, t_s, state.cleared_s, over_since_s), None
    held = over_since_s is not None and t_s - over_since_s >= HOLD_S
    if held and smoothed >= policy.raise_at and _rested(policy, state, t_s):
        return AlertState(smoothed, True, t_s, state.cleared_s, over_since_s), "raised"
    return AlertState(smoothed, False, t_s, state.cleared_s, over_since_s), None


def _over_since(policy: AlertPolicy, state: AlertState, t_s: float, p: float, dt_s: float) -> float | None:
    if p < policy.raise_at:
        return None
    return t_s if state.over_since_s is None or dt_s > BREAK_S else state.over_since_s


def _smooth(policy: AlertPolicy, state: AlertState, dt_s: float, p: float, usable: bool) -> float:
    if dt_s > GAP_S and state.raised and p >= policy.clear_at:
        return p
    start = policy.rest if state.smoothed is None or dt_s > GAP_S else state.smoothed
    if p <= start:
        return start - (start - p) * -expm1(-dt_s / policy.tau_s)
    if not usable:
        return start
    return start + (p - start) * -expm1(-min(dt_s, MAX_RISE_S) / policy.tau_s)


def _rested(policy: AlertPolicy, state: AlertState, t_s: float) -> bool:
    return state.cleared_s is None or t_s - state.cleared_s >= policy.cooldown_s
