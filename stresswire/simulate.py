"""A simulated person: slow random walks, and every few minutes a stressful one and a half."""

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
"""Seconds that are sent as one batch at the start: the model need not warm up before one's eyes, and stress is near."""


class State(NamedTuple):
    """The three channels, in the contract's units."""

    hr: float
    temp: float
    eda: float


CALM = State(hr=70, temp=33.5, eda=0.6)
STRESSED = State(hr=112, temp=32.8, eda=3.2)


def person(seed: int, *, calm_s: int = CALM_S, stress_s: int = STRESS_S) -> Iterator[State]:
    """One state a second, for ever: `calm_s` of calm, then `stress_s` under stress, and again."""
    chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
    state, second = CALM, 0
    while True:
        target = CALM if second % (calm_s + stress_s) < calm_s else STRESSED
        state = State(
            hr=min(180, max(45, state.hr + 0.05 * (target.hr - state.hr) + chance.gauss(0, 0.6))),
            temp=min(38, max(28, state.temp + 0.02 * (target.temp - state.temp) + chance.gauss(0, 0.01))),
            eda=min(20, max(0.05, state.eda + 0.05 * (target.eda - state.eda) + chance.gauss(0, 0.01))),
        )
        yield state
        second += 1


async def simulate(address: MqttAddress, device_id: str, now: Callable[[], datetime], seed: int | None = None) -> None:
    """Publish a simulated person once a second over MQTT, until cancelled."""
    states = person(random.randrange(2**32) if seed is None else seed)  # noqa: S311 - as above
    async with connected(address, device_id) as device:
        start = now() - timedelta(seconds=BEFORE_S)
        before = [next(states) for _ in range(BEFORE_S)]
        await device.send([_sample(state, start + timedelta(seconds=at)) for at, state in enumerate(before)])
        while True:
            await device.send([_sample(next(states), now())])
            await asyncio.sleep(1)


def _sample(state: State, at: datetime) -> SensorSample:
    rounded = State(*(round(value, 3) for value in state))
    return SensorSample(hr=rounded.hr, temp=rounded.temp, eda=rounded.eda, timestamp=at.isoformat())
