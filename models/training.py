"""Training: from a labelled recording to an artefact and its card. The same data gives the same model."""

import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from models import estimator
from models.alert_evaluation import Timeline, Trials, figures, timelines
from models.artefact import Artefact, save_artefact, sha256_of
from models.card import ARTEFACT_NAME, AlertFigures, Card, CrossStudy, Scores, TrainingData, write_card
from models.card_text import write_card_text
from models.dataset import Dataset, build_dataset
from models.decision import WARM_UP_S
from models.errors import ModelError
from models.features import FEATURES
from models.fitting import Decision, Fit, decide, fit
from models.inference import raw_scores, sigmoid
from models.metrics import calibration_error, scores_of
from models.recordings import read_recordings

Progress = Callable[[str], None]

RELEASE = "1"
TRADE_PER_HOUR = (0.5, 1.0, 2.0, 4.0)


def train(recordings_path: Path, out_dir: Path, *, progress: Progress) -> Card:
    """Train on a labelled recording; writes `stress.joblib`, `card.json` and `MODEL_CARD.md` into `out_dir`.

    Raises RecordingError for a file that cannot be read, ModelError for one that is too small to train on.
    """
    progress(f"reading {recordings_path}")
    data = build_dataset(read_recordings(recordings_path))
    progress(f"{len(data.y)} rows of {len(np.unique(data.person))} people")
    fitted = fit(data, progress)
    progress("choosing the alert policy")
    trials = Trials(_timelines(data, fitted), fitted.prior)
    across = _across_studies(data, progress)
    out_dir.mkdir(parents=True, exist_ok=True)
    sha256 = save_artefact(out_dir / ARTEFACT_NAME, Artefact(fitted.members, fitted.calibration))
    card = _card(_training_data(recordings_path, data), data, fitted, trials, across, sha256)
    write_card(out_dir, card)
    write_card_text(out_dir, card)
    progress(f"{card.version} written to {out_dir}")
    return card


def _card(
    about: TrainingData, data: Dataset, fitted: Fit, trials: Trials, across: tuple[CrossStudy, ...], sha256: str
) -> Card:
    told = data.labelled
    y = data.y[told]
    everybody = [str(who) for who in np.unique(data.person)]
    return Card(
        version=f"{RELEASE}-{sha256[:8]}",
        features=FEATURES,
        artefact=ARTEFACT_NAME,
        artefact_sha256=sha256,
        python=platform.python_version(),
        scikit_learn=version("scikit-learn"),
        numpy=np.__version__,
        data=about,
        prior=fitted.prior,
        t1=fitted.thresholds.t1,
        t2=fitted.thresholds.t2,
        alert_policy=trials.choose(everybody).policy,
        scores=_scores(data, Decision(fitted.p, fitted.stressed, fitted.high)),
        ece_uncalibrated=calibration_error(y, sigmoid(fitted.raw[told], (1.0, 0.0))),
        without=fitted.without,
        by_source=_by_source(data, fitted),
        across_studies=across,
        alerts_held_out=_alerts_held_out(data, fitted, trials),
        alert_trade=tuple(trials.choose(everybody, per_hour) for per_hour in TRADE_PER_HOUR),
    )


def _training_data(path: Path, data: Dataset) -> TrainingData:
    return TrainingData(
        name=path.name,
        sha256=sha256_of(path),
        rows=len(data.y),
        labelled=int(data.labelled.sum()),
        people=len(np.unique(data.person)),
        sources=tuple(str(source) for source in np.unique(data.source)),
    )


def _scores(data: Dataset, decision: Decision) -> Scores:
    told = data.labelled
    return scores_of(data.y[told], decision.p[told], data.person[told], decision.stressed[told], decision.high[told])


def _timelines(data: Dataset, fitted: Fit) -> dict[str, Timeline]:
    return timelines(data.person, data.t_s, fitted.p, data.y, data.age_s >= WARM_UP_S)


def _by_source(data: Dataset, fitted: Fit) -> dict[str, float]:
    """Out of fold, the ROC-AUC within each source that has both labels."""
    found = {}
    for source in np.unique(data.source):
        rows = data.labelled & (data.source == source)
        if len(np.unique(data.y[rows])) == 2:
            found[str(source)] = estimator.roc_auc(data.y[rows], fitted.p[rows])
    return found


def _across_studies(data: Dataset, progress: Progress) -> tuple[CrossStudy, ...]:
    """For two sources or more: fitted to one, tested on each of the others."""
    sources = [str(source) for source in np.unique(data.source)]
    found: list[CrossStudy] = []
    for trained_on in sources if len(sources) > 1 else []:
        progress(f"across studies: trained on {trained_on}")
        try:
            fitted = fit(data.take(data.source == trained_on), progress)
        except ModelError as error:
            progress(f"left out: {error}")
            continue
        found += [
            CrossStudy(trained_on, tested_on, _scores_on(data.take(data.source == tested_on), fitted))
            for tested_on in sources
            if tested_on != trained_on
        ]
    return tuple(found)


def _scores_on(test: Dataset, fitted: Fit) -> Scores:
    raw = raw_scores(fitted.members, test.x)
    return _scores(test, decide(raw, test.age_s, fitted.calibration, fitted.thresholds, fitted.prior))


def _alerts_held_out(data: Dataset, fitted: Fit, trials: Trials) -> AlertFigures:
    """Each fold's people with the policy that was chosen on the others."""
    outcomes = []
    for held in np.unique(fitted.fold):
        inside = [str(who) for who in np.unique(data.person[fitted.fold == held])]
        outside = [str(who) for who in np.unique(data.person[fitted.fold != held])]
        policy = trials.choose(outside).policy
        outcomes += [trials.outcomes[policy][who] for who in inside]
    return figures(outcomes)
