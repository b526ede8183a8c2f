"""Unexpected errors while messages are handled: rejecting a message that causes one, failing if all do."""

import logging
import time
from typing import Final

from broker.contract import ErrorDetail
from broker.pacing.log_limiter import LogLimiter

log = logging.getLogger(__name__)

DEVICES: Final = 5
"""If messages of so many devices fail and none succeeds between, the cause is not the messages."""
INTERNAL_ERROR: Final = ErrorDetail("internal", "an error of the server's own: it is kept as it came, and was logged")


class Defects:
    """Unexpected errors of one step, such as decoding. Any number of them from one device only rejects its messages."""

    def __init__(self) -> None:
        self._devices: set[str] = set()
        self._notices = LogLimiter(log, time.monotonic)

    def failed(self, device_id: str, error: Exception) -> None:
        """Note that a message failed by itself. Raises `error` if messages are not the cause."""
        self._notices.failed("a message of %r is refused for an error of the program's own", device_id[:64], error=error)
        self._devices.add(device_id)
        if len(self._devices) >= DEVICES:
            raise error

    def succeeded(self) -> None:
        """Note that a message succeeded."""
        self._devices.clear()
