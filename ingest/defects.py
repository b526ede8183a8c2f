"""Errors of the program's own that messages bring about: whether it is the messages' doing, and what is said of it."""

import logging
import time
from typing import Final

from broker.contract import ErrorDetail
from broker.pacing.log_limiter import LogLimiter

log = logging.getLogger(__name__)

DEVICES: Final = 5
"""Where the messages of so many devices fail, and none goes well between, it is not the messages."""
REFUSED: Final = ErrorDetail("internal", "an error of the server's own: it is kept as it came, and was logged")


class Defects:
    """Those of one step, such as decoding. A single device's messages, however many fail, are refused one by one."""

    def __init__(self) -> None:
        self._devices: set[str] = set()
        self._notices = LogLimiter(log, time.monotonic)

    def failed(self, device_id: str, error: Exception) -> None:
        """A message failed alone. Raises `error` where it is not the message's doing."""
        self._notices.failed("a message of %r is refused for an error of the program's own", device_id[:64], error=error)
        self._devices.add(device_id)
        if len(self._devices) >= DEVICES:
            raise error

    def succeeded(self) -> None:
        """A message went well."""
        self._devices.clear()
