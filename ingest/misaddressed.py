"""Messages on topics that are nearly the contract's, or that nobody reads: each is logged, counted and answered."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Final

from broker.bus import Bus
from broker.contract import DATA_RECEIVED, SENSOR_DATA, DataReceived, ErrorDetail, encode
from broker.contract.json_text import key_in_text
from broker.contract.near_topics import near_topic
from broker.contract.samples import sha256_of
from broker.message import Message
from broker.pacing.log_limiter import LogLimiter
from ingest.metrics import Metrics

log = logging.getLogger(__name__)

BUFFER: Final = 200
WARN_INTERVAL_S: Final = 10.0
_SHOWN: Final = 100


class Misaddressed:
    """Answers what misses its topic: with an error on the `data_received` of the device, if the topic names one.

    Args:
        bus: where such messages come from; it subscribes at construction.
        owns: tells if a device is for this process.
        now: the server's time, in UTC.
        metrics: counts the messages.
    """

    def __init__(self, bus: Bus, owns: Callable[[str], bool], now: Callable[[], datetime], metrics: Metrics) -> None:
        self._bus = bus
        self._owns = owns
        self._now = now
        self._metrics = metrics
        self._warnings = LogLimiter(log, time.monotonic, WARN_INTERVAL_S)
        self._subscription = bus.subscribe_misaddressed(BUFFER)

    async def run(self) -> None:
        """Serve until the bus closes."""
        async for message in self._subscription:
            near = near_topic(message.topic)
            device_id = None if near is None else near.device_id
            if not self._owns(device_id or ""):
                continue
            self._metrics.misaddressed.inc()
            error = _error(message, None if near is None else near.meant)
            self._warnings.warn("%s%s", f"client {message.client[:64]!r}: " if message.client else "", error.message)
            if near is not None and device_id is not None and near.channel in (SENSOR_DATA, None):
                await self._answer(message, device_id, error)

    async def _answer(self, message: Message, device_id: str, error: ErrorDetail) -> None:
        key = key_in_text(message.payload)
        receipt = DataReceived(
            status="error",
            error=error,
            message=error.message,
            boot=key.boot,
            seq=key.seq,
            server_time=self._now(),
            sha256=sha256_of(message.payload),
        )
        await self._bus.publish(DATA_RECEIVED.topic(device_id), encode(receipt), qos=DATA_RECEIVED.qos)


def _error(message: Message, meant: str | None) -> ErrorDetail:
    topic = message.topic if len(message.topic) <= _SHOWN else message.topic[: _SHOWN - 3] + "..."
    if meant is None:
        return ErrorDetail("not_found", f"nobody reads {topic!r}: samples go to {SENSOR_DATA.topic('<device_id>')}")
    return ErrorDetail("not_found", f"there is no topic {topic!r}, so nothing is stored: did you mean {meant}?")
