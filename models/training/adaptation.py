"""Adaptation of the shared model to one's own labels.

The trees stay as they are. What each group of features adds to the log-odds is scaled, and the whole is shifted, by so much
as one's own labelled record gives reason for: a penalised logistic regression about the shared model. A few hours of labels
from one person can hardly do better than that, and cannot do harm: what does not help on labels that were held out is not
taken.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]

from models.errors import ModelError
from models.features.moments import Matrix
from models.recordings import Recording
from models.serving.artefact import Artefact, save_artefact
from models.serving.card import ARTEFACT_NAME, Adaptation, Card, version_of, write_card
from models.serving.forest import Evaluator
from models.serving.levels import WARM_UP_S, sigmoid
from models.serving.reasons import GROUPS
from models.training import estimator
from models.training.card_text import write_card_text
from models.training.dataset import Dataset, build_dataset

STRESS_LABELS: Final = frozenset(("stress", "stressed", "high_stress"))
CALM_LABELS: Final = frozenset(("calm", "rest", "relax", "relaxed", "baseline", "normal", "exercise"))
ROW_WEIGHT: Final = 1 / 30
"""Neighbouring seconds say the same: half a minute counts as one answer."""
SCALE_SD: Final = 0.5
SHIFT_SD: Final = 1.0
"""Prior standard deviations of a scale about 1 and of the shift about 0: the penalty of the fit."""
SPANS_LEAST: Final = 3
"""Labelled spans of either kind, at the least."""
NO_SPAN: Final = -1
FOLDS: Final = 5
LEAST_GAIN: Final = 0.005
"""By so much must the log-loss on labels held out be better."""
MOST_LOSS: Final = 0.01
"""And no more than that may the ROC-AUC be worse."""


class Labelled(NamedTuple):
    """A device's record with labels; `span` gives each row the number of the labelled span it is in, or `NO_SPAN`."""

    recording: Recording
    span: list[int]


class Adapted(NamedTuple):
    """An adapted model, and whether it is better on labels that were held out."""

    artefact: Artefact
    card: Card
    better: bool


def write_adapted(directory: Path, adapted: Adapted) -> Card:
    """Write artefact, card and its text into a folder; the card of the version that it now is."""
    sha256 = save_artefact(directory / ARTEFACT_NAME, adapted.artefact)
    release = adapted.card.version.partition("-")[0]
    card = msgspec.structs.replace(adapted.card, artefact_sha256=sha256, version=version_of(release, sha256))
    write_card(directory, card)
    write_card_text(directory, card)
    return card


def label_of(text: str) -> int | None:
    """1 for stress, 0 for what is not, None for a label that says neither."""
    word = text.strip().lower()
    return 1 if word in STRESS_LABELS else 0 if word in CALM_LABELS else None


def adapt(artefact: Artefact, card: Card, record: Sequence[Labelled]) -> Adapted:
    """Adapt a shared model. Raises ModelError for too few labels; they must be of both kinds."""
    data = build_dataset([one.recording for one in record])
    span = np.array([number for one in record for number in one.span])
    rows = data.labelled & (data.age_s >= WARM_UP_S)
    data, span = data.take(rows), span[rows]
    _check(data, span)
    evaluator = Evaluator(artefact.forest)
    slope, offset = artefact.calibration
    shares = slope * evaluator.shares(data.x)
    start = slope * evaluator.base + offset
    held_out = np.zeros(len(data.y))
    for train, test in _folds(data, span):
        held_out[test] = _scores(shares[test], start, *_fit(shares[train], start, data.y[train]))
    shared = _scores(shares, start, np.ones(len(GROUPS)), 0.0)
    before, after = _log_loss(shared, data.y), _log_loss(held_out, data.y)
    scales, shift = _fit(shares, start, data.y)
    about = Adaptation(
        version=card.version,
        devices=tuple(np.unique(data.person).tolist()),
        spans=len(np.unique(span)),
        rows=len(data.y),
        stress_share=float(data.y.mean()),
        scales={group.name: round(float(scale), 4) for group, scale in zip(GROUPS, scales, strict=True)},
        log_loss_before=before,
        log_loss_after=after,
        roc_auc_before=estimator.roc_auc(data.y, shared),
        roc_auc_after=estimator.roc_auc(data.y, held_out),
    )
    forest = artefact.forest._replace(share=artefact.forest.share * scales)
    own = Artefact(forest, (slope, offset + shift), artefact.check_x, Evaluator(forest).scores(artefact.check_x))
    better = before - after >= LEAST_GAIN and about.roc_auc_after >= about.roc_auc_before - MOST_LOSS
    return Adapted(own, msgspec.structs.replace(card, adapted=about), better)


def _check(data: Dataset, span: NDArray[np.int64]) -> None:
    for label, name in ((1, "stress"), (0, "not stress")):
        found = len(np.unique(span[data.y == label]))
        if found < SPANS_LEAST:
            raise ModelError(
                f"{found} labelled spans of {name} with readings of more than {WARM_UP_S:.0f} s of stream; "
                f"at least {SPANS_LEAST} are needed"
            )


def _folds(data: Dataset, span: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """People are held out where there are enough of them, else spans, of either label alike."""
    if len(np.unique(data.person)) >= FOLDS:
        return estimator.person_folds(data.person, FOLDS)
    return estimator.stratified_folds(data.y, span, FOLDS)


def _fit(shares: Matrix, start: float, y: NDArray[np.int64]) -> tuple[Matrix, float]:
    """Scales of the groups, and the shift, with the least penalised log-loss."""

    def loss(x: Matrix) -> tuple[float, Matrix]:
        scales, shift = x[:-1], x[-1]
        scores = _scores(shares, start, scales, shift)
        wrong = ROW_WEIGHT * (sigmoid(scores) - y)
        value = ROW_WEIGHT * float(np.logaddexp(0, np.where(y == 1, -scores, scores)).sum())
        value += float(((scales - 1) ** 2).sum()) / (2 * SCALE_SD**2) + float(shift**2) / (2 * SHIFT_SD**2)
        slope = np.append(wrong @ shares + (scales - 1) / SCALE_SD**2, wrong.sum() + shift / SHIFT_SD**2)
        return value, slope

    # A group that speaks for stress never comes to speak against it.
    bounds = [(0.0, None)] * shares.shape[1] + [(None, None)]
    found = minimize(loss, np.append(np.ones(shares.shape[1]), 0.0), jac=True, method="L-BFGS-B", bounds=bounds).x
    return found[:-1], float(found[-1])


def _scores(shares: Matrix, start: float, scales: Matrix, shift: float) -> Matrix:
    found: Matrix = start + shares @ scales + shift
    return found


def _log_loss(scores: Matrix, y: NDArray[np.int64]) -> float:
    return float(np.logaddexp(0, np.where(y == 1, -scores, scores)).mean())
