"""Training: from labelled recordings to an artefact and its card. The same data gives the same bytes."""

import platform
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from models.errors import ModelError
from models.features.moments import Flags
from models.features.names import FEATURES
from models.features.state import SAMPLE_CHANNELS
from models.recordings import Recording, read_recordings
from models.serving.alerts import AlertPolicy
from models.serving.artefact import FORMAT, Artefact, pin, save_artefact, sha256_of
from models.serving.card import (
    ARTEFACT_NAME,
    AlertFigures,
    Card,
    CrossStudy,
    Exercise,
    Reference,
    Scores,
    TrainingData,
    version_of,
    write_card,
)
from models.serving.drift import reference_of
from models.serving.forest import Evaluator
from models.serving.levels import sigmoid
from models.training import estimator
from models.training.alert_scores import Lines, Trials, figures, run, timelines, try_policies
from models.training.card_text import write_card_text
from models.training.dataset import NEEDS_LABELS, UNLABELLED, Dataset, build_dataset
from models.training.fitting import FIT_STEPS, Decision, Fit, decide, fit
from models.training.perturbations import OTHER_SENSORS
from models.training.plots import PlotData, write_plots
from models.training.progress import Progress, Steps
from models.training.scores import calibration_error, scores_of
from models.training.workers import Workers

RELEASE: Final = "2"
TRADE_PER_HOUR: Final = (0.5, 1.0, 2.0, 4.0)
CHECK_ROWS: Final = 64


class Sources(NamedTuple):
    """The files to train on: labelled recordings, and recordings of exercise without stress, or None."""

    recordings: Path
    exercise: Path | None = None


def train(
    sources: Sources,
    out_dir: Path,
    *,
    progress: Progress,
    jobs: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Card:
    """Write a model's folder (artefact, card, plots) and its pin beside it; the same bytes for any number of `jobs`.

    `tell` gets a line for each kind of value that was taken as no contact. Raises RecordingError for a file that
    cannot be read, ModelError for one that is too small to train on.
    """
    recordings = read_recordings(sources.recordings, tell)
    if not {0, 1} <= {row.label for recording in recordings for row in recording.rows}:
        raise ModelError(f"{sources.recordings}: {NEEDS_LABELS}")
    exercise = [] if sources.exercise is None else read_recordings(sources.exercise, tell)
    studies = _studies(recordings)
    people = len({recording.subject for recording in recordings})
    steps = Steps(progress, 1 + FIT_STEPS * (1 + len(studies)) + people + len(OTHER_SENSORS) + 1)
    workers = Workers(jobs)
    steps.begin("computing features")
    data = build_dataset(recordings, exercise)
    fitted = fit(data, steps, workers)
    across = _across_studies(data, studies, steps, workers)
    trials = try_policies(_labelled_timelines(data, fitted), fitted.calibration.prior, steps, workers)
    by_sensor = _by_sensor(recordings, data, fitted, steps, workers)
    steps.begin("writing")
    out_dir.mkdir(parents=True, exist_ok=True)
    sha256 = save_artefact(out_dir / ARTEFACT_NAME, _artefact(data, fitted))
    card = _card(
        data,
        fitted,
        trials,
        about=_training_data(sources, data),
        across=across,
        by_sensor=by_sensor,
        reference=_reference(recordings, fitted),
        sha256=sha256,
    )
    write_card(out_dir, card)
    labelled_rows = data.labelled
    write_plots(
        out_dir,
        PlotData(data.y[labelled_rows], fitted.decision.p[labelled_rows], data.person[labelled_rows], card.alert_trade),
    )
    write_card_text(out_dir, card)
    pin(out_dir)
    steps.end(f"{card.version} written to {out_dir}")
    return card


def _artefact(data: Dataset, fitted: Fit) -> Artefact:
    check_x = data.x[np.linspace(0, len(data.x) - 1, CHECK_ROWS).astype(np.intp)]
    calibration = fitted.calibration
    return Artefact(
        fitted.forest, (calibration.slope, calibration.offset), check_x, Evaluator(fitted.forest).scores(check_x)
    )


def _card(
    data: Dataset,
    fitted: Fit,
    trials: Trials,
    *,
    about: TrainingData,
    across: tuple[CrossStudy, ...],
    by_sensor: dict[str, float],
    reference: dict[str, Reference],
    sha256: str,
) -> Card:
    labelled_rows, calibration = data.labelled, fitted.calibration
    everybody = sorted(set(data.person[labelled_rows].tolist()))
    policy = trials.choose(everybody).policy
    return Card(
        format=FORMAT,
        version=version_of(RELEASE, sha256),
        features=FEATURES,
        artefact_sha256=sha256,
        python=platform.python_version(),
        scikit_learn=version("scikit-learn"),
        numpy=np.__version__,
        data=about,
        prior=calibration.prior,
        t1=calibration.thresholds.t1,
        t2=calibration.thresholds.t2,
        alert_policy=policy,
        scores=_scores(data.take(labelled_rows), fitted.decision.take(labelled_rows)),
        ece_uncalibrated=calibration_error(data.y[labelled_rows], sigmoid(fitted.raw[labelled_rows])),
        without=fitted.lost,
        by_sensor=by_sensor,
        by_source=_by_source(data, fitted),
        by_task=_by_task(data, fitted),
        exercise=_exercise(data, fitted, policy),
        across_studies=across,
        alerts_held_out=_alerts_held_out(data, fitted, trials),
        alert_trade=tuple(trials.choose(everybody, per_hour) for per_hour in TRADE_PER_HOUR),
        reference=reference,
    )


def _training_data(sources: Sources, data: Dataset) -> TrainingData:
    labelled_rows = data.labelled
    path, exercise = sources
    return TrainingData(
        name=path.name,
        sha256=sha256_of(path),
        rows=int((~_effort(data)).sum()),
        labelled=int(labelled_rows.sum()),
        people=len(np.unique(data.person[labelled_rows])),
        sources=tuple(str(source) for source in np.unique(data.source[labelled_rows])),
        exercise_name=None if exercise is None else exercise.name,
        exercise_sha256=None if exercise is None else sha256_of(exercise),
    )


def _effort(data: Dataset) -> Flags:
    """The rows of recordings of exercise."""
    return ~np.isin(data.stream, data.stream[data.labelled])


def _reference(recordings: Sequence[Recording], fitted: Fit) -> dict[str, Reference]:
    """Return the distributions of the inputs and, out of fold, of the probability in the labelled recordings."""
    rows = [row for recording in recordings for row in recording.rows]
    values = {name: np.array([getattr(row, name) for row in rows], dtype=np.float64) for name in SAMPLE_CHANNELS}
    return {name: reference_of(each) for name, each in values.items()} | {"p": reference_of(fitted.decision.p[: len(rows)])}


def _scores(data: Dataset, decision: Decision) -> Scores:
    """Return the figures of rows that are all labelled."""
    return scores_of(data.y, decision.p, data.person, decision.stressed, decision.high)


def _labelled_timelines(data: Dataset, fitted: Fit) -> Lines:
    rows = ~_effort(data)
    some = data.take(rows)
    return timelines(some.person, some.stream, some.t_s, fitted.decision.p[rows], some.y, some.may_alert)


def _exercise(data: Dataset, fitted: Fit, policy: AlertPolicy) -> Exercise | None:
    moving = data.exercising
    if not moving.any():
        return None
    rows = np.isin(data.stream, data.stream[moving])
    some = data.take(rows)
    # As if exercise were what must not alarm: hours and alerts of it, and of nothing else.
    y = np.where(some.exercising, 0, UNLABELLED)
    lines = timelines(some.person, some.stream, some.t_s, fitted.decision.p[rows], y, some.may_alert)
    predicted = fitted.decision.take(moving)
    return Exercise(
        rows=int(moving.sum()),
        people=len(np.unique(data.person[moving])),
        share_elevated=float((predicted.stressed & ~predicted.high).mean()),
        share_high_stress=float(predicted.high.mean()),
        share_half=float((predicted.p >= 0.5).mean()),
        alerts_per_hour=figures([run(policy, line) for line in own] for own in lines.values()).false_per_calm_hour,
    )


def _by_source(data: Dataset, fitted: Fit) -> dict[str, float]:
    """Out of fold, the ROC-AUC within each source that has both labels."""
    found = {}
    for source in np.unique(data.source):
        rows = data.labelled & (data.source == source)
        if len(np.unique(data.y[rows])) == 2:
            found[str(source)] = estimator.roc_auc(data.y[rows], fitted.decision.p[rows])
    return found


def _by_task(data: Dataset, fitted: Fit) -> dict[str, float]:
    """Out of fold, the ROC-AUC of each task that is stress against the rows of label 0 of the same sources."""
    found = {}
    for task in sorted(set(data.task[data.y == 1].tolist()) - {""}):
        stress = (data.y == 1) & (data.task == task)
        rows = stress | ((data.y == 0) & np.isin(data.source, data.source[stress]))
        if len(np.unique(data.y[rows])) == 2:
            found[task] = estimator.roc_auc(data.y[rows], fitted.decision.p[rows])
    return found


def _by_sensor(
    recordings: Sequence[Recording], data: Dataset, fitted: Fit, steps: Steps, workers: Workers
) -> dict[str, float]:
    """Out of fold, the ROC-AUC where a device measures in another way."""
    fold_of = dict(zip(data.stream.tolist(), fitted.fold.tolist(), strict=True))
    names = list(OTHER_SENSORS)
    found = workers.run(
        (partial(_sensor_auc, name, recordings, fold_of, fitted.evaluators) for name in names),
        lambda number: steps.begin(names[number]),
    )
    return dict(zip(names, found, strict=True))


def _sensor_auc(
    name: str, recordings: Sequence[Recording], fold_of: dict[int, int], evaluators: Sequence[Evaluator]
) -> float:
    """The ROC-AUC with one of `OTHER_SENSORS`; each recording is scored by the fold that held its person out."""
    other = build_dataset([OTHER_SENSORS[name](recording) for recording in recordings])
    fold = np.array([fold_of[number] for number in other.stream.tolist()])
    raw = np.zeros(len(fold))
    for number, evaluator in enumerate(evaluators):
        raw[fold == number] = evaluator.scores(other.x[fold == number])
    labelled_rows = other.labelled
    return estimator.roc_auc(other.y[labelled_rows], raw[labelled_rows])


def _studies(recordings: Sequence[Recording]) -> list[str]:
    """The sources to train on one at a time; none where there is one only."""
    found = sorted({recording.source for recording in recordings})
    return found if len(found) > 1 else []


def _across_studies(data: Dataset, studies: Sequence[str], steps: Steps, workers: Workers) -> tuple[CrossStudy, ...]:
    """Fitted to one source, and whoever exercised of its people, and tested on each of the others."""
    found: list[CrossStudy] = []
    for trained_on in studies:
        try:
            fitted = fit(data.take(data.source == trained_on), steps, workers)
        except ModelError:
            # Too few people; the card shows the studies that were big enough.
            continue
        found += [
            CrossStudy(trained_on, tested_on, _scores_on(data.take(data.labelled & (data.source == tested_on)), fitted))
            for tested_on in studies
            if tested_on != trained_on
        ]
    return tuple(found)


def _scores_on(test: Dataset, fitted: Fit) -> Scores:
    return _scores(test, decide(Evaluator(fitted.forest).scores(test.x), test.age_s, fitted.calibration))


def _alerts_held_out(data: Dataset, fitted: Fit, trials: Trials) -> AlertFigures:
    """Each fold's people with the policy that was chosen on the others."""
    outcomes = []
    labelled_rows = data.labelled
    for held in np.unique(fitted.fold):
        inside = sorted(set(data.person[labelled_rows & (fitted.fold == held)].tolist()))
        outside = sorted(set(data.person[labelled_rows & (fitted.fold != held)].tolist()))
        outcomes += trials.of(trials.choose(outside).policy, inside)
    return figures(outcomes)
