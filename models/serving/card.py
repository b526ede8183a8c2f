"""The machine-readable half of the model card: description and figures of an artefact."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np

from models.errors import ModelError
from models.features.state import SAMPLE_CHANNELS
from models.files import content_of
from models.serving.alerts import AlertPolicy

CARD_NAME: Final = "card.json"
ARTEFACT_NAME: Final = "stress.npz"
TEXT_NAME: Final = "MODEL_CARD.md"
CARD_MOST: Final = 1 << 20
"""Bytes; the shipped card has 17,000."""
VERSION: Final = r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"
"""A version is the plain name of a folder."""
INPUTS: Final = (*SAMPLE_CHANNELS, "p")
"""Values with a reference distribution in the card: the three channels and the probability."""


class Spread(msgspec.Struct, frozen=True):
    """The spread of a figure between people."""

    people: int
    mean: float
    sd: float
    least: float
    most: float


class Scores(msgspec.Struct, frozen=True):
    """Figures of labelled rows. `ece` is the expected calibration error over ten equal bins of the probability.

    `balanced_accuracy` and `macro_f1` are at t1; `precision_*` is the share of stress among the rows of that level, and
    `share_*` the share of rows that got it. The spreads are over people who have both labels.
    """

    rows: int
    people: int
    stress_share: float
    roc_auc: float
    pr_auc: float
    balanced_accuracy: float
    macro_f1: float
    ece: float
    highest_p: float
    share_elevated: float
    share_high_stress: float
    precision_elevated: float | None
    precision_high_stress: float | None
    roc_auc_by_person: Spread
    pr_auc_by_person: Spread
    balanced_accuracy_by_person: Spread
    macro_f1_by_person: Spread
    ece_by_person: Spread


class AlertFigures(msgspec.Struct, frozen=True):
    """By episode: found is one in which an alert was raised, covered one in which an alert stood, be it from before.

    False is an alert raised in a second labelled 0, counted for an hour of recording and for an hour of such seconds;
    `calm_alert_share` is the share of those in which an alert stood. The delay is from the start of a found episode.
    By person: the share of the episodes that are covered, and false alerts in an hour of recording.
    """

    episodes: int
    found: int
    covered: int
    false_alerts: int
    recorded_hours: float
    calm_hours: float
    false_per_hour: float
    false_per_calm_hour: float
    calm_alert_share: float
    median_delay_s: float | None
    covered_by_person: Spread
    false_per_hour_by_person: Spread


class Trade(msgspec.Struct, frozen=True):
    """A point of the trade-off: the policy that covers the most episodes within so many false alerts an hour."""

    at_most_per_hour: float
    policy: AlertPolicy
    figures: AlertFigures


class CrossStudy(msgspec.Struct, frozen=True):
    """Trained, calibrated and thresholded on one source, tested on another."""

    trained_on: str
    tested_on: str
    scores: Scores


class Exercise(msgspec.Struct, frozen=True):
    """Predictions for people who exercise, out of fold: shares of the seconds, and alerts in an hour."""

    rows: int
    people: int
    share_elevated: float
    share_high_stress: float
    share_half: float
    alerts_per_hour: float


class Reference(msgspec.Struct, frozen=True):
    """Distribution of an input or score in the training data: `shares` of the bins between and outside `edges`."""

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.shares) != len(self.edges) + 1 or list(self.edges) != sorted(self.edges):
            raise ValueError("a distribution has edges that rise, and a share more than edges")

    def counts(self, values: Sequence[float]) -> list[float]:
        """Return the number of values in each bin; a value on an edge belongs to the bin above."""
        bins = np.searchsorted(np.array(self.edges), np.array(values, dtype=np.float64), side="right")
        found: list[float] = np.bincount(bins, minlength=len(self.shares)).astype(np.float64).tolist()
        return found


class TrainingData(msgspec.Struct, frozen=True):
    """The files a model was trained on; `exercise_*` is None where there was none."""

    name: str
    sha256: str
    rows: int
    labelled: int
    people: int
    sources: tuple[str, ...]
    exercise_name: str | None = None
    exercise_sha256: str | None = None


class Adaptation(msgspec.Struct, frozen=True):
    """A shared model fitted to one's own labels: from which version, to which, and how both did on labels held out."""

    version: str
    devices: tuple[str, ...]
    spans: int
    rows: int
    stress_share: float
    scales: dict[str, float]
    log_loss_before: float
    log_loss_after: float
    roc_auc_before: float
    roc_auc_after: float


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about an artefact that a program may want to know; `prior` is the share of stress in the data.

    `scores`, `without` (sensors), `by_sensor` (see `perturbations`) and `alerts_held_out` are out of fold by person, with
    calibration, thresholds and policy chosen on the other people. `by_task` is the ROC-AUC of a task against everybody's
    rows of label 0 in the same source. `reference` is by input, and of the probability as `p`.
    """

    format: int
    version: Annotated[str, msgspec.Meta(pattern=VERSION)]
    features: tuple[str, ...]
    artefact_sha256: str
    python: str
    scikit_learn: str
    numpy: str
    data: TrainingData
    prior: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    t1: float
    t2: float
    alert_policy: AlertPolicy
    scores: Scores
    ece_uncalibrated: float
    without: dict[str, float]
    by_sensor: dict[str, float]
    by_source: dict[str, float]
    by_task: dict[str, float]
    exercise: Exercise | None
    across_studies: tuple[CrossStudy, ...]
    alerts_held_out: AlertFigures
    alert_trade: tuple[Trade, ...]
    reference: dict[str, Reference]
    adapted: Adaptation | None = None

    def __post_init__(self) -> None:
        if missing := [name for name in INPUTS if name not in self.reference]:
            raise ValueError(f"there is no reference of {missing[0]}")


def version_of(release: str, artefact_sha256: str) -> str:
    """Return a model's version: the release of the training, and the start of the artefact's SHA-256."""
    return f"{release}-{artefact_sha256[:8]}"


def write_card(directory: Path, card: Card) -> None:
    """Write `card.json`, indented."""
    (directory / CARD_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def read_card(directory: Path) -> Card:
    """Read `card.json`. Raises ModelError if it is missing or not a card."""
    path = directory / CARD_NAME
    try:
        content = content_of(path, CARD_MOST)
    except OSError as error:
        raise ModelError(
            f"{path}: the model card cannot be read ({error.strerror}); reinstall, or run: stresswire train"
        ) from error
    return decode_card(path, content)


def decode_card(path: Path, content: bytes) -> Card:
    """Decode the content of `path`. Raises ModelError if it is not a card."""
    try:
        return msgspec.json.decode(content, type=Card)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ModelError(
            f"{path}: not a model card of this program ({error}); train the model again: stresswire train"
        ) from error
