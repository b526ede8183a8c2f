"""Warnings that clients can cause at will: a line now and then, and how many were left out."""

import logging
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 1.0


class LogLimiter:
    """Logs at most one line each `every_s`.

    Args:
        log: where to.
        now_s: a clock that never goes back.
        every_s: the shortest time between two lines.
    """

    def __init__(self, log: logging.Logger, now_s: Callable[[], float], every_s: float = EVERY_S) -> None:
        self._log = log
        self._now_s = now_s
        self._every_s = every_s
        self._next_s = 0.0
        self._left_out = 0

    def warn(self, message: str, *arguments: object) -> None:
        """Log, or count what is left out."""
        self._say(logging.WARNING, message, arguments, None)

    def failed(self, message: str, *arguments: object, error: BaseException) -> None:
        """Log an error of the program's own with its traceback, or count what is left out."""
        self._say(logging.ERROR, message, arguments, error)

    def _say(self, level: int, message: str, arguments: tuple[object, ...], error: BaseException | None) -> None:
        now_s = self._now_s()
        if now_s < self._next_s:
            self._left_out += 1
            return
        if self._left_out:
            message, arguments = message + " (%d more like this before)", (*arguments, self._left_out)
        self._next_s, self._left_out = now_s + self._every_s, 0
        self._log.log(level, message, *arguments, exc_info=error)
