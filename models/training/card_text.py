"""The human half of the model card, written from the machine-readable half: no figure is typed by hand."""

from pathlib import Path

from models.features.contact import FROZEN_S, LOW_EDA_US, OFF_SKIN_C
from models.features.moments import HR, TEMP
from models.serving.alerts import AlertPolicy
from models.serving.card import ARTEFACT_NAME, CARD_NAME, TEXT_NAME, Adaptation, AlertFigures, Card, Scores, Spread
from models.training.data_licences import data_text
from models.training.dataset import EXERCISE_WEIGHT
from models.training.plots import ALERTS, RELIABILITY, ROC


def write_card_text(directory: Path, card: Card) -> None:
    """Write `MODEL_CARD.md`."""
    (directory / TEXT_NAME).write_text(render(card), encoding="utf-8")


def render(card: Card) -> str:
    """The card as Markdown."""
    parts = (_what(card), _data(card), _scores(card), _across(card), _alerts(card), _LIMITS, _reproduce(card))
    if card.adapted is not None:
        return "\n\n".join((_adapted(card, card.adapted), parts[1], _LIMITS)) + "\n"
    return "\n\n".join(parts) + "\n"


def _what(card: Card) -> str:
    return f"""\
# Model card: stress {card.version}

Heart rate, skin temperature and skin conductance of one person, sample by sample, become a calibrated probability that the
person is in a stress task; from it follow a level and, smoothed, an alert. For research and self-observation. **It is not a
medical device**, and its output is not a finding about anybody's health.

{len(card.features)} causal features (`models/features`): exponentially weighted means and spreads over 3 to 300 s
against a running personal baseline of 20 min, what moves from second to second, skin conductance responses; none knows the
time since the start. Two kinds of gradient-boosted trees, averaged: on all features, and on the ten that carried over best
between the studies. Sensors may be without contact: rows with one or two sensors missing were part of the training.

The first 60 s of a stream, and after a silence of more than 30 s, are `warming_up`: the probability is drawn towards
{card.prior:.2f}, the share of stress in the data, and the level is `normal`. Elsewhere another share may hold: the setting
`STRESSWIRE_STRESS_PRIOR` shifts the log-odds of every probability by the difference.

| level | probability |
| --- | --- |
| `normal` | below {card.t1:.3f} (the best balanced accuracy) |
| `elevated` | from {card.t1:.3f} |
| `high_stress` | from {card.t2:.3f} (the lowest with 65 % of stress and at most 15 % of exercise above it, if any is) |

Every live reading says why: what each group of features added to the log-odds. What limits a reading stands in `quality`:
`warming_up`, `gap` (after a silence), `no_hr`, `no_temp`, `no_eda`, `low_eda` (below {LOW_EDA_US:g} uS), `off_skin` (below
{OFF_SKIN_C:g} degrees), `frozen_hr`, `frozen_eda` (no change at all for {FROZEN_S[HR]:g} s), `frozen_temp`
({FROZEN_S[TEMP]:g} s). A channel with bad contact counts as missing, and no alert is raised without both heart rate and
skin conductance in good contact."""


def _adapted(card: Card, about: Adaptation) -> str:
    scales = "\n".join(f"| `{group}` | {scale:.2f} |" for group, scale in about.scales.items())
    return f"""\
# Model card: stress {card.version}, adapted

The model {about.version}, adapted to {about.rows:,} labelled readings in {about.spans} spans of {", ".join(about.devices)},
{about.stress_share:.1%} of them stress: the trees are the same, what each group of features adds to the log-odds is scaled,
and the whole is shifted. What is said below of the data, and the figures in `{CARD_NAME}`, are those of the shared model.

| on labels that were held out | shared | adapted |
| --- | --- | --- |
| log-loss | {about.log_loss_before:.4f} | {about.log_loss_after:.4f} |
| ROC-AUC | {about.roc_auc_before:.3f} | {about.roc_auc_after:.3f} |

| group of features | scale |
| --- | --- |
{scales}"""


def _data(card: Card) -> str:
    data = card.data
    return f"""\
## Data, licences and notice

`{data.name}`: {data.rows:,} rows of {data.people} people, {data.labelled:,} labelled, {card.prior:.1%} of those stress.
{_effort(card)}

{data_text(data.sources)}"""


def _effort(card: Card) -> str:
    if card.exercise is None:
        return ""
    return f"""
`{card.data.exercise_name}`: {card.exercise.people} people who exercise, {card.exercise.rows:,} seconds while exercising.
They teach, with weight {EXERCISE_WEIGHT:g}, that effort is not stress, and are never scored.
"""


def _scores(card: Card) -> str:
    scores = card.scores
    inside = ", ".join(f"{auc:.3f} in `{source}`" for source, auc in card.by_source.items())
    tasks = ", ".join(f"`{task}` {auc:.3f}" for task, auc in card.by_task.items())
    sensors = "\n".join(f"| {name} | {auc:.3f} |" for name, auc in card.by_sensor.items())
    lost = "\n".join(f"| without {channels} | {auc:.3f} |" for channels, auc in card.without.items())
    return f"""\
## How good it is, on people it has not seen

Out of fold, grouped by person: whoever is scored was unknown to the trees, to the calibration and to the thresholds.

| | all {scores.people} people | by person: mean ± sd (lowest to highest) |
| --- | --- | --- |
| ROC-AUC | {scores.roc_auc:.3f} | {_spread(scores.roc_auc_by_person)} |
| PR-AUC (chance {scores.stress_share:.2f}) | {scores.pr_auc:.3f} | {_spread(scores.pr_auc_by_person)} |
| balanced accuracy at t1 | {scores.balanced_accuracy:.3f} | {_spread(scores.balanced_accuracy_by_person)} |
| macro F1 at t1 | {scores.macro_f1:.3f} | {_spread(scores.macro_f1_by_person)} |
| expected calibration error | {scores.ece:.3f} (before calibration {card.ece_uncalibrated:.3f}) \
| {_spread(scores.ece_by_person)} |

The spread is wide: for some people the model is no better than chance, or worse.
{_levels(scores)}
The highest probability given was {scores.highest_p:.2f}.
Within one study the ROC-AUC is {inside}.
By task, against rest in the same study: {tasks or "not known"}.

| the same recordings, as other devices would measure them (uncalibrated scores) | ROC-AUC |
| --- | --- |
{sensors}
{lost}

![Reliability]({RELIABILITY}) ![ROC by person]({ROC})

{_exercise(card)}"""


def _exercise(card: Card) -> str:
    seen = card.exercise
    if seen is None:
        return "Exercise was not measured: no recordings of it were given."
    return (
        f"Of the seconds of exercise ({seen.people} people, out of fold) {seen.share_high_stress:.1%} are `high_stress`, "
        f"{seen.share_elevated:.1%} `elevated`; {seen.share_half:.1%} have a probability of one half or more; "
        f"{seen.alerts_per_hour:.1f} alerts are raised in an hour of it."
    )


def _levels(scores: Scores) -> str:
    return (
        f"`elevated` was said of {scores.share_elevated:.1%} of the seconds "
        f"({_share(scores.precision_elevated)} of them stress), "
        f"`high_stress` of {scores.share_high_stress:.1%} ({_share(scores.precision_high_stress)} stress)."
    )


def _across(card: Card) -> str:
    if not card.across_studies:
        return "## Across studies\n\nNot measured: the data has one source, or too few people in each."
    lines = [
        f"| `{one.trained_on}` | `{one.tested_on}` | {one.scores.roc_auc:.3f} | {one.scores.pr_auc:.3f} "
        f"({one.scores.stress_share:.2f}) | {one.scores.balanced_accuracy:.3f} | {one.scores.ece:.3f} "
        f"| {_spread(one.scores.roc_auc_by_person)} |"
        for one in card.across_studies
    ]
    head = """\
## Across studies

Trees, calibration and thresholds from one study, tested on the other: the nearest thing here to a new setting.

| trained on | tested on | ROC-AUC | PR-AUC (chance) | balanced accuracy | calibration error | ROC-AUC by person |
| --- | --- | --- | --- | --- | --- | --- |
"""
    return (
        head
        + "\n".join(lines)
        + "\n\nProbabilities travel worse than rankings: in a new setting expect them to be off by this much."
    )


def _alerts(card: Card) -> str:
    policy = card.alert_policy
    lines = [
        f"| {trade.at_most_per_hour:g} | {_policy(trade.policy)} | {_alert_cells(trade.figures)} |"
        for trade in card.alert_trade
    ]
    table = "\n".join(lines)
    return f"""\
## Alerts

An alert is raised when the probability, smoothed over {policy.tau_s:.0f} s, reaches {policy.raise_at:.2f} and the readings
have stood there for 5 s; it is cleared below {policy.clear_at:.2f}, and none follows for {policy.cooldown_s:.0f} s.
Out of fold, by episode (an unbroken run of seconds labelled stress): *found* is one in which an alert was raised,
*covered* one in which an alert stood, be it from before; *false* is an alert raised in a second labelled 0, for an hour of
recording and, in brackets, for an hour of such seconds; the delay is from the start of the episode.

| | smoothing, raise / clear / cooldown | found | covered | false an hour (of calm) | calm time in alert | median delay |
| --- | --- | --- | --- | --- | --- | --- |
| **policy chosen on other people** | | {_alert_cells(card.alerts_held_out)} |
{table}

By person, of that first row: {_spread(card.alerts_held_out.covered_by_person)} of the episodes covered, and
{_spread(card.alerts_held_out.false_per_hour_by_person)} false alerts an hour.

The numbered rows are the trade-off: the policy that covers most with at most so many false alerts an hour, chosen and
counted on the same people, so they flatter a little. The first row does not.

![What alerts cost]({ALERTS})"""


def _policy(policy: AlertPolicy) -> str:
    return f"{policy.tau_s:.0f} s, {policy.raise_at:.2f} / {policy.clear_at:.2f} / {policy.cooldown_s:.0f} s"


def _alert_cells(seen: AlertFigures) -> str:
    delay = "-" if seen.median_delay_s is None else f"{seen.median_delay_s:.0f} s"
    counts = f"{seen.found} of {seen.episodes} | {seen.covered}"
    return f"{counts} | {seen.false_per_hour:.2f} ({seen.false_per_calm_hour:.2f}) | {seen.calm_alert_share:.1%} | {delay}"


_LIMITS = """\
## Limitations

- Research and self-observation only. No diagnosis, no decision about a person, no safety function.
- Physical effort looks like stress: walking upstairs, sport, a fever or a hot room can all read as stress.
- Stress by hyperventilation can hardly be told from rest.
- Laboratory, seated, healthy, mostly young adults, one device model. Other sensors, EDA electrodes above all, will differ.
- The baseline is personal and young: during the first minutes a stream is compared with little else than itself, and
  whoever is stressed from the start has a stressed baseline. It follows slow changes with a time constant of
  20 min, so lasting stress fades into it.
- One sample in 30 s is the least: a slower stream never leaves `warming_up`. The features were trained at 1 Hz. Two values
  of a channel that are more than 10 s apart leave it unknown in between.
- A probability is about tasks like those in the data, at the data's share of stress, not about a working day."""


def _reproduce(card: Card) -> str:
    return f"""\
## Reproduce

    stresswire train {card.data.name}{_option(card)}

with Python {card.python}, scikit-learn {card.scikit_learn} and numpy {card.numpy} gives these very files.
The figures above as JSON: `{CARD_NAME}`.

| | SHA-256 |
| --- | --- |
| `{card.data.name}` | `{card.data.sha256}` |{_exercise_sha256(card)}
| `{ARTEFACT_NAME}` | `{card.artefact_sha256}` |"""


def _option(card: Card) -> str:
    return "" if card.data.exercise_name is None else f" --exercise {card.data.exercise_name}"


def _exercise_sha256(card: Card) -> str:
    about = card.data
    return "" if about.exercise_name is None else f"\n| `{about.exercise_name}` | `{about.exercise_sha256}` |"


def _spread(spread: Spread) -> str:
    return f"{spread.mean:.3f} ± {spread.sd:.3f} ({spread.least:.2f} to {spread.most:.2f}, {spread.people} people)"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"
