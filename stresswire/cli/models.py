"""`stresswire train`, `evaluate` and `model`: making models, and choosing one."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from models.errors import ModelError
from models.serving.card import TEXT_NAME, Card
from models.serving.registry import Versions
from stresswire import runtime
from stresswire.cli.one_line import one_line
from stresswire.cli.progress import progress_bar, progress_lines
from stresswire.model_in_use import load_model, load_shared
from stresswire.settings import Settings, load_settings

Labelled = Annotated[
    Path, typer.Argument(help="subject,t,hr,temp,eda,label as CSV or JSON Lines, also gzip", exists=True, dir_okay=False)
]

Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="Processes that share the work; what comes out is the same.", show_default="number of cores"),
]

_INTERRUPTED: Final = 130
"""The exit status that shells expect after Ctrl-C."""

model = typer.Typer(no_args_is_help=True, help="The models that were made here.")


def train(
    file: Annotated[
        Path | None,
        typer.Argument(help="subject,t,hr,temp,eda,label as CSV or JSON Lines, also gzip", exists=True, dir_okay=False),
    ] = None,
    exercise: Annotated[
        Path | None, typer.Option(help="Recordings of effort without stress.", exists=True, dir_okay=False)
    ] = None,
    from_db: Annotated[bool, typer.Option("--from-db", help="Adapt the shared model to the labels in the record.")] = False,
    device: Annotated[list[str] | None, typer.Option(help="With --from-db: only this device; may be repeated.")] = None,
    out: Annotated[Path | None, typer.Option(help="A folder for the model, instead of a version of its own.")] = None,
    jobs: Jobs = None,
) -> None:
    """Train a model on labelled recordings, or adapt the shared one to one's own labels; with its card."""
    if (file is None) != from_db:
        raise ModelError("train needs a file of labelled recordings, or --from-db")
    settings = load_settings()
    if file is None:
        _adapt(settings, device or [])
        return
    from models.training import train as training  # noqa: PLC0415 - scikit-learn takes a second that only training needs

    def write(folder: Path) -> Card:
        notes: list[str] = []
        with _interruptible(), progress_bar() as progress:
            card = training.train(training.Sources(file, exercise), folder, progress=progress, jobs=jobs, tell=notes.append)
        for note in notes:
            # Not before: a line would tear the bar apart.
            progress_lines(note)
        return card

    if out is not None:
        typer.echo(f"{write(out).version} is in {out}, its card in {out / TEXT_NAME}")
        return
    folder = Versions(settings.models).add(write)
    typer.echo(f"{folder.name} is in {folder}, its card in {folder / TEXT_NAME}")
    typer.echo(f"To use it from the next start on: stresswire model use {folder.name}")


def evaluate(file: Labelled, jobs: Jobs = None) -> None:
    """Say how the model does on labelled recordings."""
    from models.training import evaluation  # noqa: PLC0415 - as in `train`

    with _interruptible():
        found = evaluation.evaluate(file, load_model(load_settings()), progress_lines, jobs=jobs)
    typer.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


@model.command("list")
def list_models() -> None:
    """Every version that was made here; * is in use."""
    settings = load_settings()
    versions = Versions(settings.models)
    # Which are there is told also where it cannot be told which is in use: one of them is the way out.
    wrong, current = None, settings.model_dir
    try:
        current = current or versions.current
    except ModelError as error:
        wrong = error
    typer.echo(f"{'*' if current is None and wrong is None else ' '} shipped")
    for version in versions.names():
        typer.echo(
            f"{'*' if current is not None and current.name == version else ' '} {version}  {_about(versions, version)}"
        )
    if wrong is not None:
        raise wrong


@model.command()
def use(version: Annotated[str, typer.Argument(help="As `stresswire model list` shows it.")]) -> None:
    """Use a version from the next start on."""
    Versions(load_settings().models).use(version)
    typer.echo(f"{version} is used from the next start on")


@model.command()
def rollback() -> None:
    """Use what was used before the present version."""
    typer.echo(f"{Versions(load_settings().models).roll_back() or 'the shipped model'} is used from the next start on")


@contextmanager
def _interruptible() -> Iterator[None]:
    """End the command in one line on Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        raise typer.Exit(_INTERRUPTED) from None


def _about(versions: Versions, version: str) -> str:
    try:
        card = versions.card(version)
    except ModelError as error:
        return f"cannot be used: {one_line(error)}"
    return "trained" if card.adapted is None else f"adapted from {card.adapted.version}"


def _adapt(settings: Settings, devices: list[str]) -> None:
    from models.training.adaptation import adapt, write_adapted  # noqa: PLC0415 - as in `train`
    from stresswire.labelled_readings import labelled_readings  # noqa: PLC0415

    with runtime.open_database(settings) as database:
        record = labelled_readings(database, devices)
    versions = Versions(settings.models)
    adapted = adapt(*load_shared(settings), record)
    about = adapted.card.adapted
    assert about is not None  # noqa: S101 - it was adapted
    typer.echo(
        f"{about.rows} labelled readings in {about.spans} spans. On labels held out the log-loss is "
        f"{about.log_loss_before:.4f} with the shared model and {about.log_loss_after:.4f} adapted."
    )
    if not adapted.better:
        typer.echo("That is no gain to speak of: nothing is changed.")
        return
    folder = versions.add(lambda part: write_adapted(part, adapted))
    versions.use(folder.name)
    typer.echo(f"{folder.name} is used from the next start on; to go back: stresswire model rollback")
