"""Predicting stress from readings: for ingest one batch at a time, and for files (`models.batch`)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np

from broker.contract import Quality, Reason, StressLevel
from models.errors import ModelError
from models.features.state import FeatureState, advance_all, channel_values
from models.serving.artefact import Artefact, load_artefact
from models.serving.card import Card
from models.serving.forest import Evaluator
from models.serving.levels import WARM_UP_S, Thresholds, flags_of, level_of, log_odds, named, probabilities, sigmoid
from models.serving.reasons import reasons_of

__all__ = ["ModelError", "Prediction", "Predictor", "Reading"]

_LEAST: Final = 1e-9
"""An edge of the distribution of p may be 0 or 1, whose log-odds are not finite."""
SHIPPED: Final = Path(__file__).parent.parent / "shipped"


class Reading(NamedTuple):
    """A sample and the state of its stream; units as in `FeatureState.step`. `measured_s` is None where it is `t_s`."""

    state: FeatureState
    t_s: float
    hr: float | None
    temp: float | None
    eda: float | None
    measured_s: float | None = None


class Prediction(msgspec.Struct, frozen=True):
    """`probability` is the calibrated probability of stress, 0-1; `reasons` only where they were asked for."""

    probability: float
    level: StressLevel
    quality: tuple[Quality, ...]
    reasons: tuple[Reason, ...] = ()

    @property
    def confidence(self) -> float:
        """1 - p for `normal`, p for the other levels."""
        return 1.0 - self.probability if self.level == "normal" else self.probability


class Predictor:
    """A loaded model. It holds no state of any stream: that is in the readings."""

    def __init__(self, artefact: Artefact, card: Card, prior: float | None = None) -> None:
        """`prior`: the share of stress where the model is used, if it is another one than in the training data.

        Raises ModelError for a prior at which an alert would stand from the start.
        """
        self._evaluator = Evaluator(artefact.forest)
        self._slope, self._offset = artefact.calibration
        self._prior = card.prior
        self._quality: dict[int, tuple[Quality, ...]] = {}
        self.policy = card.alert_policy
        self.reference = dict(card.reference)
        self.version = card.version
        self.thresholds = Thresholds(card.t1, card.t2)
        self.trained_on_sha256 = card.data.sha256
        if prior is not None:
            self._expect(prior)

    def _expect(self, prior: float) -> None:
        """Shift what is said, and with it what to expect of it, to another share of stress."""
        limit = self.policy.raise_at
        if not 0 < prior < limit:
            raise ModelError(f"the prior must be above 0 and below {limit}, where alerts are raised; got {prior}")
        shift = log_odds(prior) - log_odds(self._prior)
        expected = self.reference["p"]
        inside = [min(max(edge, _LEAST), 1 - _LEAST) for edge in expected.edges]
        edges = tuple(sigmoid(np.array([log_odds(edge) + shift for edge in inside])).tolist())
        self.reference["p"] = msgspec.structs.replace(expected, edges=edges)
        self.policy = msgspec.structs.replace(self.policy, rest=prior)
        self._offset += shift
        self._prior = prior

    @classmethod
    def load(cls, directory: Path | None = None, prior: float | None = None) -> "Predictor":
        """The model in `directory`, by default the one shipped with this package. Raises ModelError (see `artefact`)."""
        return cls(*load_artefact(SHIPPED if directory is None else directory), prior)

    def score(self, readings: Sequence[Reading], *, explain: bool = False) -> list[Prediction]:
        """Step every reading's state, in order, and predict all of them as one matrix.

        Readings may share a state. Raises ValueError, every state unchanged, for one that is not newer than its state.
        """
        if not readings:
            return []
        step = advance_all(
            [reading.state for reading in readings],
            [reading.t_s for reading in readings],
            channel_values([reading[2:5] for reading in readings]),
            [reading.measured_s for reading in readings],
        )
        shares = self._evaluator.shares(step.x)
        scores = self._slope * (self._evaluator.base + shares.sum(1)) + self._offset
        ps, ages = probabilities(scores, step.age_s, self._prior).tolist(), step.age_s.tolist()
        reasons: Sequence[tuple[Reason, ...]] = [()] * len(readings)
        if explain:
            # While warming up nothing is said, so there is nothing to explain.
            reasons = reasons_of(self._slope * shares * (step.age_s >= WARM_UP_S)[:, None], step.x)
        return [
            Prediction(p, level_of(p, age_s, self.thresholds), self._named(flags), why)
            for p, age_s, flags, why in zip(ps, ages, flags_of(step).tolist(), reasons, strict=True)
        ]

    def _named(self, flags: int) -> tuple[Quality, ...]:
        """There are few sets of flags: each is named once."""
        found = self._quality.get(flags)
        if found is None:
            found = self._quality[flags] = named(flags)
        return found
