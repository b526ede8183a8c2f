"""The human half of the model card, written from the machine-readable half: no figure is typed by hand."""

from pathlib import Path

from models.alerts import AlertPolicy
from models.card import TEXT_NAME, AlertFigures, Card, Scores, Spread
from models.notices import data_text


def write_card_text(directory: Path, card: Card) -> None:
    """Write `MODEL_CARD.md`."""
    (directory / TEXT_NAME).write_text(render(card), encoding="utf-8")


def render(card: Card) -> str:
    """The card as Markdown."""
    parts = (_what(card), _data(card), _scores(card), _across(card), _alerts(card), _LIMITS, _reproduce(card))
    return "\n\n".join(parts) + "\n"


def _what(card: Card) -> str:
    return f"""\
# Model card: stress {card.version}

Heart rate, skin temperature and skin conductance of one person, sample by sample, become a calibrated probability that the
person is in a stress task; from it follow a level and, smoothed, an alert. For research and self-observation. **It is not a
medical device**, and its output is not a finding about anybody's health.

{len(card.features)} causal features over windows of 30 to 300 s and a running personal baseline
(`models/features.py`); none knows the time since the start. Gradient-boosted trees; the
probability may not fall when heart rate or skin conductance rise above the person's baseline. One sensor may be without
contact. The first 60 s of a stream are `warming_up`: the probability is drawn towards {card.prior:.2f}, the share of
stress in the data, and the level is `normal`.

| level | probability |
| --- | --- |
| `normal` | below {card.t1:.3f} (the best balanced accuracy) |
| `elevated` | from {card.t1:.3f} |
| `high_stress` | from {card.t2:.3f} (chosen so that 65 % of such seconds are stress, if any threshold reaches that) |"""


def _data(card: Card) -> str:
    data = card.data
    return f"""\
## Data, licences and notice

`{data.name}`: {data.rows:,} rows of {data.people} people, {data.labelled:,} labelled, {card.prior:.1%} of those stress.

{data_text(data.sources)}"""


def _scores(card: Card) -> str:
    scores = card.scores
    without = ", ".join(f"{auc:.3f} without `{channel}`" for channel, auc in card.without.items())
    inside = ", ".join(f"{auc:.3f} in `{source}`" for source, auc in card.by_source.items())
    return f"""\
## How good it is, on people it has not seen

Out of fold, grouped by person: whoever is scored was unknown to the trees, to the calibration and to the thresholds.

| | all {scores.people} people | by person: mean ± sd (lowest to highest) |
| --- | --- | --- |
| ROC-AUC | {scores.roc_auc:.3f} | {_spread(scores.roc_auc_by_person)} |
| PR-AUC (chance {scores.stress_share:.2f}) | {scores.pr_auc:.3f} | |
| balanced accuracy at t1 | {scores.balanced_accuracy:.3f} | {_spread(scores.balanced_accuracy_by_person)} |
| macro F1 at t1 | {scores.macro_f1:.3f} | |
| expected calibration error | {scores.ece:.3f} (before calibration {card.ece_uncalibrated:.3f}) | |

The spread is wide: for some people the model is no better than chance, or worse. {_levels(scores)} The highest
probability given was {scores.highest_p:.2f}. With one sensor lost, the ROC-AUC is {without}.
Within one study it is {inside}."""


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
*covered* one in which an alert stood, be it from before; *false* is an
alert raised in a second labelled 0; the delay is from the start of the episode.

| | raise / clear / cooldown | found | covered | false an hour | median delay |
| --- | --- | --- | --- | --- | --- |
| **policy chosen on other people** | | {_alert_cells(card.alerts_held_out)} |
{table}

The numbered rows are the trade-off: the best policy with at most so many false alerts an hour, chosen and counted on
the same people, so they flatter a little. The first row does not."""


def _policy(policy: AlertPolicy) -> str:
    return f"{policy.raise_at:.2f} / {policy.clear_at:.2f} / {policy.cooldown_s:.0f} s"


def _alert_cells(seen: AlertFigures) -> str:
    delay = "-" if seen.median_delay_s is None else f"{seen.median_delay_s:.0f} s"
    return f"{seen.found} of {seen.episodes} | {seen.covered} | {seen.false_per_hour:.2f} | {delay}"


_LIMITS = """\
## Limitations

- Research and self-observation only. No diagnosis, no decision about a person, no safety function.
- Physical effort looks like stress: walking upstairs, sport, a fever or a hot room can all read as `high_stress`.
  Exercise is not in the training data. In earlier experiments on the same data most seconds of cycling scored .5 or more.
- Stress by hyperventilation could not be told from rest (ROC-AUC about .53 in earlier experiments).
- Laboratory, seated, healthy, mostly young adults, one device model. Other sensors, EDA electrodes above all, will differ.
- The baseline is personal and young: during the first minutes a stream is compared with little else than itself, and
  whoever is stressed from the start has a stressed baseline. It follows slow changes with a time constant of
  20 min, so lasting stress fades into it.
- One sample in 30 s is the least: a slower stream never leaves `warming_up`. The features were trained at 1 Hz.
- A probability is about tasks like those in the data, at the data's share of stress, not about a working day."""


def _reproduce(card: Card) -> str:
    return f"""\
## Reproduce

    stresswire train {card.data.name}

with that file's SHA-256 `{card.data.sha256}`, Python {card.python}, scikit-learn {card.scikit_learn} and
numpy {card.numpy} gives this artefact, SHA-256 `{card.artefact_sha256}`. The figures above as JSON: `card.json`."""


def _spread(spread: Spread) -> str:
    return f"{spread.mean:.3f} ± {spread.sd:.3f} ({spread.least:.2f} to {spread.most:.2f}, {spread.people} people)"


def _share(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"
