"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""What is being done now, how many steps are done, of how many."""


class Steps:
    """Counts the steps of some work and tells each as it begins."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._done = 0
        self._total = total

    def begin(self, what: str) -> None:
        """The next step begins; the one before it is done."""
        self._progress(what, self._done, self._total)
        self._done += 1

    def end(self, what: str) -> None:
        """All is done."""
        self._progress(what, self._total, self._total)
