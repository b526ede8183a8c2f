"""A client that sends garbage is worth a line in the log now and then, not a traceback."""

import logging
import time
from collections.abc import Callable
from typing import Final

EVERY_S: Final = 10.0


class RateLimitedLogFilter(logging.Filter):
    """Turns the records of `errors` into warnings of one line, one in `EVERY_S`; all others pass as they are."""

    def __init__(self, *errors: type[BaseException], now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._errors = errors
        self._now_s = now_s
        self._said_s = -EVERY_S
        self._unsaid = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Hold back what would be one of many."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, self._errors):
            return True
        now_s = self._now_s()
        if now_s - self._said_s < EVERY_S:
            self._unsaid += 1
            return False
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
        more = f", and {self._unsaid} more like it before" if self._unsaid else ""
        record.msg, record.args = f"{record.getMessage()}: {type(error).__name__}: {str(error)[:200]!r}{more}", ()
        self._said_s, self._unsaid = now_s, 0
        return True
