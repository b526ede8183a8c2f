"""Progress of long work, step by step."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the step that begins, the number of steps that are done, and their total."""


class Steps:
    """Counts the steps of some work and reports each as it begins."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress = progress
        self._done = 0
        self._total = total

    def begin(self, what: str) -> None:
        """Begin the next step; the one before it is done."""
        self._progress(what, self._done, self._total)
        self._done += 1

    def end(self, what: str) -> None:
        """Report that all steps are done."""
        self._progress(what, self._total, self._total)
