"""Devices that send each channel in messages of its own: the same minutes give the same alerts and the same contact."""

import random
from collections.abc import Callable, Iterable
from itertools import islice

import numpy as np
import pytest

from models.features.state import FeatureState
from models.serving.alerts import AlertState, step
from models.serving.levels import may_alert
from models.serving.predictor import Prediction, Predictor, Reading
from stresswire.simulate import State, person
from tests.support.streams import Sample

SECONDS = 720
WITHIN_S = 1


class Person:
    """Calm for 300 s, stressed for 150 s, again and again; the channels at any time."""

    def __init__(self, seed: int) -> None:
        states = list(islice(person(seed, calm_s=300, stress_s=150), SECONDS))
        self._columns = {name: [getattr(state, name) for state in states] for name in State._fields}

    def at(self, channel: str, t_s: float) -> float:
        return float(np.interp(t_s, range(SECONDS), self._columns[channel]))


Stream = Iterable[Sample]
Lost = Callable[[str, float, float], float | None]
"""What a sensor gives at a time instead of the true value."""


def times(every_s: float, offset_s: float = 0.0) -> list[float]:
    return [t_s for at in range(int(SECONDS / every_s)) if (t_s := at * every_s + offset_s) < SECONDS - 1]


def beats(seed: int = 5) -> list[float]:
    chance, found = random.Random(seed), [0.0]
    while found[-1] < SECONDS - 3:
        found.append(found[-1] + chance.uniform(0.6, 1.2))
    return found


def fine(_: str, __: float, value: float) -> float:
    return value


def lost(channel: str, start_s: float, seconds: float, instead: float | None = None) -> Lost:
    """Without contact for so long; or `instead` of a value."""

    def found(name: str, t_s: float, value: float) -> float | None:
        return instead if name == channel and start_s <= t_s < start_s + seconds else value

    return found


def apart(one: Person, when: dict[str, list[float]], broken: Lost = fine) -> list[Sample]:
    """A message for each value; what has no contact sends none."""
    samples: list[Sample] = []
    for channel, moments in when.items():
        at = State._fields.index(channel)
        for t_s in moments:
            values: list[float | None] = [None, None, None]
            values[at] = broken(channel, t_s, one.at(channel, t_s))
            if values[at] is not None:
                samples.append((t_s, *values))  # type: ignore[arg-type]
    return sorted(samples, key=lambda sample: sample[0])


def together(one: Person, every_s: dict[str, int], broken: Lost = fine) -> list[Sample]:
    """A sample a second, with null for what was not measured in it."""
    return [
        (float(t), *(broken(name, t, one.at(name, t)) if t % every_s[name] == 0 else None for name in State._fields))  # type: ignore[misc]
        for t in range(SECONDS - 1)
        if any(t % every_s[name] == 0 for name in State._fields)
    ]


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor.load()


def predictions(predictor: Predictor, samples: Stream) -> list[tuple[float, Prediction]]:
    state, samples = FeatureState(), list(samples)
    said = predictor.score([Reading(state, *sample) for sample in samples])
    return [(sample[0], one) for sample, one in zip(samples, said, strict=True)]


def alerts(predictor: Predictor, samples: Stream) -> list[tuple[str, float]]:
    state = AlertState()
    found: list[tuple[str, float]] = []
    for t_s, said in predictions(predictor, samples):
        state, change = step(predictor.policy, state, t_s, said.probability, usable=may_alert(said.quality))
        if change:
            found.append((change, t_s))
    return found


NEVER = SECONDS + 1
SLOW = {"hr": times(1), "eda": times(1, 0.05), "temp": times(1, 0.33)}
FAST = {"hr": times(1), "eda": times(0.25, 0.05)}


def every(temp_s: int, hr_s: int = 1) -> dict[str, int]:
    return {"hr": hr_s, "temp": temp_s, "eda": 1}


SITUATIONS: dict[str, tuple[dict[str, list[float]], dict[str, int], Lost]] = {
    "three messages a second": ({"hr": times(1), "temp": times(1, 0.25), "eda": times(1, 0.5)}, every(1), fine),
    "the other way round": ({"eda": times(1), "hr": times(1, 0.3), "temp": times(1, 0.6)}, every(1), fine),
    "almost at once": ({"temp": times(1), "eda": times(1, 0.001), "hr": times(1, 0.002)}, every(1), fine),
    "late in the second": ({"hr": times(1, 0.9), "eda": times(1), "temp": times(1, 0.4)}, every(1), fine),
    "EDA at 4 Hz": ({**FAST, "temp": times(1, 0.33)}, every(1), fine),
    "temperature every 4 s": ({**FAST, "temp": times(4, 0.33)}, every(4), fine),
    "temperature every 10 s": ({**FAST, "temp": times(10, 0.33)}, every(10), fine),
    "temperature every 30 s": ({**FAST, "temp": times(30, 0.33)}, every(30), fine),
    "temperature every 60 s": ({**FAST, "temp": times(60, 0.33)}, every(60), fine),
    "no temperature sensor": (FAST, every(NEVER), fine),
    "a heart rate with each beat": ({"hr": beats(), "eda": FAST["eda"], "temp": times(4, 0.33)}, every(4), fine),
    "a heart rate every 5 s": ({"hr": times(5), "eda": FAST["eda"], "temp": times(1, 0.33)}, every(1, 5), fine),
    "EDA at 1 Hz, late by half a second": ({"hr": times(1), "eda": times(1, 0.49)}, every(NEVER), fine),
    "heart rate lost for 5 s": (SLOW, every(1), lost("hr", 305, 5)),
    "heart rate lost for 15 s": ({**FAST, "temp": times(1, 0.33)}, every(1), lost("hr", 305, 15)),
    "heart rate lost for 60 s": ({**FAST, "temp": times(1, 0.33)}, every(1), lost("hr", 305, 60)),
    "EDA lost for 15 s": (SLOW, every(1), lost("eda", 305, 15)),
    "EDA near zero for 20 s": (SLOW, every(1), lost("eda", 305, 20, 0.01)),
    "off the skin for 60 s": ({**FAST, "temp": times(1, 0.33)}, every(1), lost("temp", 305, 60, 20.0)),
    "a heart rate that is stuck": (SLOW, every(1), lost("hr", 180, 200, 71.0)),
}


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_same_minutes_give_the_same_alerts(shipped: Predictor, situation: str, seed: int) -> None:
    when, every_s, broken = SITUATIONS[situation]
    """To the second of event time in which they are raised and cleared."""
    one = Person(seed)
    expected = alerts(shipped, together(one, every_s, broken))
    found = alerts(shipped, apart(one, when, broken))
    assert [change for change, _ in found] == [change for change, _ in expected]
    for (change, found_s), (_, expected_s) in zip(found, expected, strict=True):
        assert abs(int(found_s) - int(expected_s)) <= WITHIN_S, change
    assert (expected == []) is (situation == "heart rate lost for 60 s")


CALM_S = 200
CALM = {"hr": times(1), "eda": times(0.25, 0.05), "temp": times(1, 0.33)}
SELDOM = {**CALM, "temp": times(60, 0.33)}

FLAGS: dict[str, tuple[dict[str, list[float]], Lost, str, float, float]] = {
    "heart rate, once its window is over": (CALM, lost("hr", CALM_S, 60), "no_hr", CALM_S + 10, CALM_S + 60),
    "EDA, once its window is over": (CALM, lost("eda", CALM_S, 60), "no_eda", CALM_S + 10, CALM_S + 60),
    "temperature, once its window is over": (CALM, lost("temp", CALM_S, 240), "no_temp", CALM_S + 90, CALM_S + 240),
    "a heart rate that is lost for good": (CALM, lost("hr", CALM_S, SECONDS), "no_hr", CALM_S + 10, SECONDS),
    "EDA near zero, at once": (CALM, lost("eda", CALM_S, 20, 0.01), "low_eda", CALM_S, CALM_S + 20),
    "EDA near zero for longer than its window": (CALM, lost("eda", CALM_S, 60, 0.01), "low_eda", CALM_S, CALM_S + 60),
    "off the skin, at once": (CALM, lost("temp", CALM_S, 20, 22.0), "off_skin", CALM_S, CALM_S + 20),
    "off the skin, until the next temperature": (SELDOM, lost("temp", 180, 60, 22.0), "off_skin", 180, 240),
    "a heart rate that is stuck": (CALM, lost("hr", CALM_S, 200, 71.0), "frozen_hr", CALM_S + 120, CALM_S + 200),
    "EDA that is stuck": (CALM, lost("eda", CALM_S, 200, 0.7), "frozen_eda", CALM_S + 120, CALM_S + 200),
    "a temperature that is stuck": (SELDOM, lost("temp", 0, 660, 33.0), "frozen_temp", 600, 660),
}


@pytest.mark.parametrize("name", FLAGS)
def test_a_fault_is_told_in_every_message_while_it_lasts(shipped: Predictor, name: str) -> None:
    """Also in messages of the other channels, and to the second."""
    when, broken, flag, start_s, end_s = FLAGS[name]
    said = predictions(shipped, apart(Person(0), when, broken))
    flagged = [(t_s, flag in one.quality) for t_s, one in said if t_s >= 100]
    assert {told for t_s, told in flagged if start_s + WITHIN_S <= t_s < end_s} == {True}
    assert {told for t_s, told in flagged if not start_s - WITHIN_S <= t_s < end_s + WITHIN_S} <= {False}
    assert {other for t_s, one in said if t_s >= 100 for other in one.quality} == {flag}


@pytest.mark.parametrize("temp_s", [1, 4, 10, 30, 60])
def test_nothing_is_told_of_sensors_that_speak_at_their_own_rates(shipped: Predictor, temp_s: int) -> None:
    when = {"hr": beats(), "eda": FAST["eda"], "temp": times(temp_s, 0.33)}
    said = predictions(shipped, apart(Person(1), when))
    assert {flag for t_s, one in said if t_s >= 61 for flag in one.quality} == set()


def test_a_sensor_that_has_not_spoken_yet_is_missing(shipped: Predictor) -> None:
    said = predictions(shipped, [(0.0, 70.0, None, None), (0.5, None, None, 0.5), (1.0, 70.0, None, None)])
    assert [one.quality for _, one in said] == [
        ("warming_up", "no_temp", "no_eda"),
        ("warming_up", "no_temp"),
        ("warming_up", "no_temp"),
    ]


def test_a_channel_lags_behind_the_others(shipped: Predictor) -> None:
    """A heart rate that comes 12 s after it was measured is no lost one; nor does it seem stuck."""
    state, quality = FeatureState(), set[str]()
    for second in range(300):
        (first,) = shipped.score([Reading(state, second, 70.0 + second % 5, None, None, second - 12.0)])
        (other,) = shipped.score([Reading(state, second + 0.5, None, 33.0, 0.5 + second % 7 / 50)])
        quality |= {*first.quality, *other.quality} if second > 60 else set()
    assert quality == set()
    assert state.heard_s == (287.0, 299.5, 299.5)
