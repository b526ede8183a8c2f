"""Log lines that clients can cause at will: a line now and then, and how many were left out."""

import logging
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 1.0
ERROR_EVERY_S: Final = 10.0


class _Interval:
    """Admits one line in `every_s` seconds, by the clock `now_s`, and counts the others."""

    def __init__(self, every_s: float, now_s: Callable[[], float]) -> None:
        self._every_s = every_s
        self._now_s = now_s
        self._next_s: float | None = None
        self._left_out = 0

    def admit(self) -> int | None:
        """Return how many lines were left out before this one, or None if this one is left out too."""
        now_s = self._now_s()
        if self._next_s is not None and now_s < self._next_s:
            self._left_out += 1
            return None
        left_out, self._left_out = self._left_out, 0
        self._next_s = now_s + self._every_s
        return left_out


class LogLimiter:
    """Logs at most one line each `every_s`.

    Args:
        log: where to.
        now_s: a clock that never goes back.
        every_s: the shortest time between two lines.
    """

    def __init__(self, log: logging.Logger, now_s: Callable[[], float], every_s: float = EVERY_S) -> None:
        self._log = log
        self._interval = _Interval(every_s, now_s)

    def warn(self, message: str, *arguments: object) -> None:
        """Log, or count what is left out."""
        self._write(logging.WARNING, message, arguments, None)

    def failed(self, message: str, *arguments: object, error: BaseException) -> None:
        """Log an error of the program's own with its traceback, or count what is left out."""
        self._write(logging.ERROR, message, arguments, error)

    def _write(self, level: int, message: str, arguments: tuple[object, ...], error: BaseException | None) -> None:
        left_out = self._interval.admit()
        if left_out is None:
            return
        if left_out:
            message, arguments = message + " (%d others before)", (*arguments, left_out)
        self._log.log(level, message, *arguments, exc_info=error)


class RateLimitedLogFilter(logging.Filter):
    """Makes of the records that a library logs for `errors` warnings of one line, one in `ERROR_EVERY_S`.

    All other records pass as they are. `now_s` is a clock that never goes back.
    """

    def __init__(self, *errors: type[BaseException], now_s: Callable[[], float]) -> None:
        super().__init__()
        self._errors = errors
        self._interval = _Interval(ERROR_EVERY_S, now_s)

    def filter(self, record: logging.LogRecord) -> bool:
        """Hold back a record that would be one of many."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, self._errors):
            return True
        left_out = self._interval.admit()
        if left_out is None:
            return False
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        more = f" ({left_out} others before)" if left_out else ""
        record.msg, record.args = f"{record.getMessage()}: {type(error).__name__}: {str(error)[:200]!r}{more}", ()
        return True
