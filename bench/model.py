"""CPU microseconds of a prediction per sample, by the number of devices scored at once."""

import random
import time
from collections.abc import Callable

import numpy as np

from bench import report
from models.features.extraction import Step
from models.features.state import FeatureState, advance_all, channel_values
from models.serving.artefact import load_artefact
from models.serving.forest import Evaluator
from models.serving.predictor import SHIPPED, Predictor, Reading
from models.serving.reasons import reasons_of

BATCHES = (1, 8, 64, 512)
WARM_S = 120


class Crowd:
    """Devices that send a sample a second each, and their current time."""

    def __init__(self, devices: int) -> None:
        self.states = [FeatureState() for _ in range(devices)]
        self._chance = random.Random(0)  # noqa: S311 - a simulation
        self.t_s = 1.7e9

    def samples(self) -> list[tuple[float, float, float]]:
        """Return the next sample of each device: hr, temp, eda."""
        self.t_s += 1
        draw = self._chance.gauss
        return [(draw(72, 3), draw(33, 0.1), abs(draw(1, 0.2)) + 0.06) for _ in self.states]

    def readings(self) -> list[Reading]:
        """Return the next sample of each device as a reading."""
        return [Reading(state, self.t_s, *sample) for state, sample in zip(self.states, self.samples(), strict=True)]

    def step(self) -> Step:
        """Return the features of the next sample of each device."""
        return advance_all(self.states, [self.t_s] * len(self.states), channel_values(self.samples()))


def measure(quick: bool) -> str:
    """Return the table, with a row for each part of the work."""
    predictor = Predictor.load()
    artefact, _ = load_artefact(SHIPPED)
    evaluator = Evaluator(artefact.forest)
    rounds, samples = (1, 200) if quick else (7, 20_000)
    found: dict[str, dict[int, list[float]]] = {}
    for _ in range(rounds):
        for devices in BATCHES:
            crowd = Crowd(devices)
            for _ in range(WARM_S):
                crowd.step()
            turns = max(1, samples // devices)
            for name, us in _turn(crowd, predictor, evaluator, turns).items():
                found.setdefault(name, {}).setdefault(devices, []).append(us / devices)
    head = ["", *(f"{devices} at once" for devices in BATCHES)]
    rows = [[name, *(report.middle(by[devices], 1) for devices in BATCHES)] for name, by in found.items()]
    state = FeatureState()
    sizes = f"A device's state: {state.row.nbytes:,} bytes in memory, {len(state.to_bytes()):,} in a snapshot.\n"
    return report.table("A prediction", head, rows) + "\n" + sizes


def _turn(crowd: Crowd, predictor: Predictor, evaluator: Evaluator, turns: int) -> dict[str, float]:
    """Return the microseconds of a batch by part, without the generation of the samples."""
    values = [channel_values(crowd.samples()) for _ in range(turns)]
    steps: list[Step] = []

    def advance(at: int) -> None:
        crowd.t_s += 1
        steps[:] = [advance_all(crowd.states, [crowd.t_s] * len(crowd.states), values[at])]

    features = _us(advance, turns)
    x = steps[0].x
    shares = evaluator.shares(x)
    trees = _us(lambda _: evaluator.shares(x), turns)
    why = _us(lambda _: reasons_of(shares, x), turns)
    plain = _us_of([crowd.readings() for _ in range(turns)], predictor.score)
    explained = _us_of([crowd.readings() for _ in range(turns)], lambda some: predictor.score(some, explain=True))
    return {
        "features": features,
        "trees": trees,
        "reasons": why,
        "**features and prediction**": plain,
        "the same with reasons": explained,
    }


def _us(work: Callable[[int], object], turns: int) -> float:
    started = time.thread_time()
    for at in range(turns):
        work(at)
    return (time.thread_time() - started) / turns * 1e6


def _us_of(batches: list[list[Reading]], work: Callable[[list[Reading]], object]) -> float:
    return _us(lambda at: work(batches[at]), len(batches))


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    report.main(measure, __doc__ or "")
