"""Progress of long work: a bar in a terminal, else a line for each step."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.training.progress import Progress as Report


@contextmanager
def progress_bar() -> Iterator[Report]:
    """Yield a function that shows the current step's name, the number of finished steps and their total on stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines().show
        return
    columns = (TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None)
        yield lambda step, done, total: bar.update(task, description=step, completed=done, total=total)


def progress_lines(text: str) -> None:
    """Print a line to stderr."""
    typer.echo(text, err=True)


class _Lines:
    """Prints a line whenever the name of the step changes."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, step: str, done: int, total: int) -> None:
        if step != self._last:
            self._last = step
            progress_lines(f"{done} of {total}: {step}")
