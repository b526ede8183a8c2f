"""Predicting stress from readings: what ingest calls, live, and `offline` for files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from broker.contract import Quality, StressLevel
from models.artefact import Artefact, load_artefact
from models.card import Card
from models.decision import level_of, quality_of, shrink
from models.errors import ModelError
from models.features import FEATURES, FeatureState
from models.inference import raw_scores, sigmoid

__all__ = ["ModelError", "Prediction", "Predictor", "Reading"]


class Reading(NamedTuple):
    """A sample and the state of its stream; units as in `FeatureState.step`."""

    state: FeatureState
    t_s: float
    hr: float | None
    temp: float | None
    eda: float | None


class Prediction(msgspec.Struct, frozen=True):
    """`probability` is the calibrated probability of stress, 0-1."""

    probability: float
    level: StressLevel
    quality: tuple[Quality, ...]

    @property
    def confidence(self) -> float:
        """1 - p for `normal`, p for the other levels."""
        return 1.0 - self.probability if self.level == "normal" else self.probability


class Predictor:
    """A loaded model. It holds no state of any stream: that is in the readings."""

    def __init__(self, artefact: Artefact, card: Card) -> None:
        self._members = artefact.members
        self._slope, self._offset = artefact.calibration
        self._prior = card.prior
        self.version = card.version
        self.policy = card.alert_policy
        self.thresholds = (card.t1, card.t2)
        self.trained_on_sha256 = card.data.sha256

    @classmethod
    def load(cls, directory: Path | None = None) -> "Predictor":
        """The model in `directory`, by default the one shipped with this package. Raises ModelError (see `artefact`)."""
        directory = Path(__file__).parent if directory is None else directory
        artefact, card = load_artefact(directory)
        if card.features != FEATURES:
            raise ModelError(f"{directory}: the model was trained on other features; train it again: stresswire train")
        return cls(artefact, card)

    def score(self, readings: Sequence[Reading]) -> list[Prediction]:
        """Step every reading's state, in order, and predict all of them as one matrix.

        Readings may share a state. Raises ValueError for a reading that is not newer than its state; the states of the
        readings before it have then moved, so give it copies where that matters.
        """
        if not readings:
            return []
        rows: list[list[float]] = []
        ages: list[float] = []
        for state, t_s, hr, temp, eda in readings:
            rows.append(state.step(t_s, hr, temp, eda))
            ages.append(state.age_s)
        ps = self._probabilities(np.array(rows, dtype=np.float64))
        return [self._prediction(reading, p, age) for reading, p, age in zip(readings, ps, ages, strict=True)]

    def _probabilities(self, x: NDArray[np.float64]) -> list[float]:
        found: list[float] = sigmoid(raw_scores(self._members, x), (self._slope, self._offset)).tolist()
        return found

    def _prediction(self, reading: Reading, p: float, age_s: float) -> Prediction:
        p = shrink(p, age_s, self._prior)
        quality = quality_of(age_s, reading.hr, reading.temp, reading.eda)
        return Prediction(p, level_of(p, age_s, self.thresholds), quality)
