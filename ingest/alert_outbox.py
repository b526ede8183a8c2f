"""Alerts on their way from the commit to the broker: at least once, whatever falls over between."""

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

REMEMBERED: Final = 1_000
"""Alerts that wait in memory; beyond it they are read from the database again."""
AT_ONCE: Final = 100
FINISH_S: Final = 5.0
"""How long the end waits for a broker that does not take them; then they are for the next start."""
RETRY_FIRST_S: Final = 0.2
RETRY_MOST_S: Final = 10.0


class AlertOutbox:
    """Sends what is committed, oldest first, and forgets it once the broker has it.

    Args:
        bus: where alerts go.
        writer: the database that has them until then.
        owns: whether a device is for this process; another one sends the rest.
        grace_s: how long what an earlier process left waits, where those who want it lost their connections with it.
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
        """What a transaction has just committed."""
        if not alerts:
            return
        if self._reading or len(self._waiting) + len(alerts) > REMEMBERED:
            self._reading = self._missed = True
        else:
            self._waiting.extend(alerts)
        self._wake.set()

    def finish(self) -> None:
        """Nothing more is added: `run` ends when all is sent, or after `FINISH_S`."""
        self._finishing.set()
        self._wake.set()
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time() + FINISH_S)

    async def run(self) -> None:
        """Send until `finish`."""
        # After a failure nobody knows what was sent: all that is not settled is read again, and may come twice.
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
        """First what is in memory: it is older than what must be read."""
        while self._waiting or self._reading:
            if self._waiting:
                some = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                await self._send(some)
            else:
                await self._read()

    async def _read(self) -> None:
        """Send what the database has, until nothing is left there and nothing was added meanwhile."""
        last_id = 0
        while True:
            self._missed = False
            some = await self._writer.run(lambda connection: unsent_after(connection, last_id, AT_ONCE))  # noqa: B023
            if some:
                last_id = some[-1].id
                await self._let_them_come_back()
                await self._send([one for one in some if self._owns(one.device_id)])
            elif not self._missed:
                self._reading = False
                return

    async def _let_them_come_back(self) -> None:
        """Once, and only where something was left for them."""
        wait_s, self._grace_s = self._grace_s, 0.0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._finishing.wait()

    async def _send(self, alerts: Sequence[Unsent]) -> None:
        """In their order; again as long as the broker does not take them."""
        if not alerts:
            return
        backoff = Backoff(RETRY_FIRST_S, RETRY_MOST_S)
        while True:
            results = await asyncio.gather(
                *(self._bus.deliver(one.topic, one.payload) for one in alerts), return_exceptions=True
            )
            failed = [result for result in results if isinstance(result, BaseException)]
            if not failed:
                break
            if not all(isinstance(one, BusError) for one in failed):
                raise failed[0]
            await asyncio.sleep(backoff.next_s())

        def forget(connection: Connection) -> None:
            settle(connection, [one.id for one in alerts])

        await self._writer.run(forget)
