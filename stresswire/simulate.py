"""A simulated person: slow random walks, with 90 s of stress after every 4 minutes of calm."""

import asyncio
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from broker.address import MqttAddress
from broker.contract import SensorSample
from stresswire.device import connected

CALM_S = 240
STRESS_S = 90
BEFORE_S = CALM_S - 20
"""Seconds sent as one batch at the start: the model is warm at once, and the first stress begins 20 s later."""


class State(NamedTuple):
    """Values of the three channels, in the contract's units."""

    hr: float
    temp: float
    eda: float


CALM = State(hr=70, temp=33.5, eda=0.6)
STRESSED = State(hr=86, temp=33.2, eda=1.3)
"""A seated person who counts backwards in sevens: skin conductance changes most."""
RESPONSE_EVERY_S = {False: 60, True: 9}
"""Mean interval of skin conductance responses in seconds, by whether the person is under stress."""
RESPONSE_US = 0.25
RISE, FALL = 0.5, 0.12
"""Share of a pending response that rises within a second, and share of a response that decays within a second."""


def person(seed: int, *, calm_s: int = CALM_S, stress_s: int = STRESS_S) -> Iterator[State]:
    """Yield one state a second without end: `calm_s` seconds of calm and `stress_s` of stress by turns."""
    chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    level, response, pending, second = CALM, 0.0, 0.0, 0
    while True:
        stressed = second % (calm_s + stress_s) >= calm_s
        target = STRESSED if stressed else CALM
        level = State(
            hr=level.hr + 0.05 * (target.hr - level.hr) + chance.gauss(0, 0.6),
            temp=level.temp + 0.01 * (target.temp - level.temp) + chance.gauss(0, 0.005),
            eda=level.eda + 0.03 * (target.eda - level.eda) + chance.gauss(0, 0.003),
        )
        if chance.random() < 1 / RESPONSE_EVERY_S[stressed]:
            pending += RESPONSE_US * chance.uniform(0.5, 1.5)
        response += RISE * pending - FALL * response
        pending -= RISE * pending
        yield level._replace(eda=max(0.1, level.eda + response))
        second += 1


async def simulate(address: MqttAddress, device_id: str, now: Callable[[], datetime], seed: int | None = None) -> None:
    """Publish a simulated person once a second over MQTT, until cancelled."""
    states = person(random.randrange(2**32) if seed is None else seed)  # noqa: S311 - as above
    async with connected(address, device_id) as device:
        start = now() - timedelta(seconds=BEFORE_S)
        before = [next(states) for _ in range(BEFORE_S)]
        await device.send([_sample(state, start + timedelta(seconds=second)) for second, state in enumerate(before)])
        while True:
            await device.send([_sample(next(states), now())])
            await asyncio.sleep(1)


def _sample(state: State, timestamp: datetime) -> SensorSample:
    rounded = State(*(round(value, 3) for value in state))
    return SensorSample(hr=rounded.hr, temp=rounded.temp, eda=rounded.eda, timestamp=timestamp.isoformat())
