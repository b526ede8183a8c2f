"""How long work shows itself in a terminal: a bar, where there is one, else a line now and then."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from models.training.progress import Progress as Report


@contextmanager
def progress_bar() -> Iterator[Report]:
    """What to tell of the work: what is being done now, how many steps are done, of how many. On stderr."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines().tell
        return
    columns = (TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def progress_lines(text: str) -> None:
    """A line on stderr."""
    typer.echo(text, err=True)


class _Lines:
    """A line for each thing that is done, however many steps it takes."""

    def __init__(self) -> None:
        self._last = ""

    def tell(self, what: str, done: int, total: int) -> None:
        if what != self._last:
            self._last = what
            progress_lines(f"{done} of {total}: {what}")
