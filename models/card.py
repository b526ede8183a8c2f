"""The machine-readable half of the model card: what an artefact is, and the figures that came with it."""

from pathlib import Path
from typing import Final

import msgspec

from models.alerts import AlertPolicy
from models.errors import ModelError

CARD_NAME: Final = "card.json"
ARTEFACT_NAME: Final = "stress.joblib"
TEXT_NAME: Final = "MODEL_CARD.md"


class Spread(msgspec.Struct, frozen=True):
    """How a figure differs between people."""

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
    balanced_accuracy_by_person: Spread


class AlertFigures(msgspec.Struct, frozen=True):
    """By episode: found is one in which an alert was raised, covered one in which an alert stood, be it from before.

    False is an alert raised in a second labelled 0. The delay is from the start of an episode that was found.
    """

    episodes: int
    found: int
    covered: int
    false_alerts: int
    calm_hours: float
    false_per_hour: float
    median_delay_s: float | None


class Trade(msgspec.Struct, frozen=True):
    """A point of the trade-off: the policy with the most episodes found within so many false alerts an hour."""

    at_most_per_hour: float
    policy: AlertPolicy
    figures: AlertFigures


class CrossStudy(msgspec.Struct, frozen=True):
    """Trained, calibrated and thresholded on one source, tested on another."""

    trained_on: str
    tested_on: str
    scores: Scores


class TrainingData(msgspec.Struct, frozen=True):
    """The file a model was trained on."""

    name: str
    sha256: str
    rows: int
    labelled: int
    people: int
    sources: tuple[str, ...]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about an artefact that a program may want to know; `prior` is the share of stress in the data.

    `scores`, `without` (a channel) and `alerts_held_out` are out of fold by person, with calibration,
    thresholds and policy chosen on the other people.
    """

    version: str
    features: tuple[str, ...]
    artefact: str
    artefact_sha256: str
    python: str
    scikit_learn: str
    numpy: str
    data: TrainingData
    prior: float
    t1: float
    t2: float
    alert_policy: AlertPolicy
    scores: Scores
    ece_uncalibrated: float
    without: dict[str, float]
    by_source: dict[str, float]
    across_studies: tuple[CrossStudy, ...]
    alerts_held_out: AlertFigures
    alert_trade: tuple[Trade, ...]


def write_card(directory: Path, card: Card) -> None:
    """Write `card.json`, indented."""
    (directory / CARD_NAME).write_bytes(msgspec.json.format(msgspec.json.encode(card), indent=2) + b"\n")


def read_card(directory: Path) -> Card:
    """Read `card.json`. Raises ModelError if it is missing or not a card."""
    path = directory / CARD_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=Card)
    except OSError as error:
        raise ModelError(
            f"{path}: the model card cannot be read ({error.strerror}); reinstall, or run: stresswire train"
        ) from error
    except msgspec.MsgspecError as error:
        raise ModelError(
            f"{path}: not a model card of this program ({error}); train the model again: stresswire train"
        ) from error
