"""A client that sends garbage is worth a line in the log, not a traceback."""

import logging


class OneLine(logging.Filter):
    """Turns the records of `errors` into warnings of one line; all others pass as they are."""

    def __init__(self, *errors: type[BaseException]) -> None:
        super().__init__()
        self._errors = errors

    def filter(self, record: logging.LogRecord) -> bool:
        """Never holds a record back."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, self._errors):
            record.exc_info = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
