"""Delivery of committed alerts to the broker, at least once."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from sqlalchemy import Connection

from broker.bus import Bus, BusError
from broker.pacing.backoff import Backoff
from storage.outbox import Unsent, settle, unsent_after
from storage.writer import Writer, WriterStoppedError

log = logging.getLogger(__name__)

MAX_IN_MEMORY: Final = 1_000
"""Alerts that wait in memory; if there are more, they are read from the database again."""
BATCH: Final = 100
FINISH_S: Final = 5.0
"""Timeout of `finish`: what the broker has not taken by then is sent after the next start."""
RETRY_FIRST_S: Final = 0.2
RETRY_MOST_S: Final = 10.0


class AlertOutbox:
    """Sends committed alerts, oldest first, and deletes each once the broker has it.

    Args:
        bus: takes the alerts.
        writer: keeps them until then.
        owns: tells if a device is for this process; another one sends the alerts of the rest.
        grace_s: delay of alerts that an earlier process left, for subscribers to reconnect first.
    """

    def __init__(self, bus: Bus, writer: Writer, owns: Callable[[str], bool], *, grace_s: float = 0.0) -> None:
        self._bus = bus
        self._writer = writer
        self._owns = owns
        self._grace_s = grace_s
        self._waiting: deque[Unsent] = deque()
        self._reading = True  # what an earlier process left comes first
        self._missed = False
        self._wake = asyncio.Event()
        self._finishing = asyncio.Event()
        self._limit: asyncio.Timeout | None = None

    def add(self, alerts: Sequence[Unsent]) -> None:
        """Send alerts that a transaction has just committed."""
        if not alerts:
            return
        if self._reading or len(self._waiting) + len(alerts) > MAX_IN_MEMORY:
            self._reading = self._missed = True
        else:
            self._waiting.extend(alerts)
        self._wake.set()

    def finish(self) -> None:
        """End `run` when all is sent, or after `FINISH_S`. Nothing may be added afterwards."""
        self._finishing.set()
        self._wake.set()
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + FINISH_S)

    async def run(self) -> None:
        """Send until `finish`."""
        # After a failure it is unknown what was sent: all that is still in the outbox is read again, and may be sent twice.
        self._waiting.clear()
        self._reading = True
        try:
            async with asyncio.timeout(FINISH_S if self._finishing.is_set() else None) as self._limit:
                while True:
                    await self._send_all()
                    if self._finishing.is_set():
                        return
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            log.warning("%s takes no alerts: they are sent after the next start", self._bus.state)
        except WriterStoppedError:
            log.warning("stopped without the database: alerts that it holds are sent, or sent again, after the next start")
        finally:
            self._limit = None

    async def _send_all(self) -> None:
        """Send the alerts in memory first: they are older than those that must be read."""
        while self._waiting or self._reading:
            if self._waiting:
                alerts = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                await self._send(alerts)
            else:
                await self._read()

    async def _read(self) -> None:
        """Send the alerts in the database, until none is left there and none was added meanwhile."""
        last_id = 0
        while True:
            self._missed = False
            alerts = await self._writer.run(lambda connection: unsent_after(connection, last_id, BATCH))  # noqa: B023
            if alerts:
                last_id = alerts[-1].id
                await self._wait_for_subscribers()
                await self._send([alert for alert in alerts if self._owns(alert.device_id)])
            elif not self._missed:
                self._reading = False
                return

    async def _wait_for_subscribers(self) -> None:
        """Wait for `grace_s` before the first alerts that an earlier process left."""
        wait_s, self._grace_s = self._grace_s, 0.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._finishing.wait()

    async def _send(self, alerts: Sequence[Unsent]) -> None:
        """Send alerts in order, and again until the broker takes them; then delete them from the outbox."""
        if not alerts:
            return
        backoff = Backoff(RETRY_FIRST_S, RETRY_MOST_S)
        while True:
            results = await asyncio.gather(
                *(self._bus.deliver(alert.topic, alert.payload) for alert in alerts), return_exceptions=True
            )
            failed = [result for result in results if isinstance(result, BaseException)]
            if not failed:
                break
            if not all(isinstance(error, BusError) for error in failed):
                raise failed[0]
            await asyncio.sleep(backoff.next_s())

        def delete(connection: Connection) -> None:
            settle(connection, [alert.id for alert in alerts])

        await self._writer.run(delete)
