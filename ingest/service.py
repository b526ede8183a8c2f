"""The loop: take what is waiting, commit it, answer, acknowledge."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

import msgspec
from prometheus_client import CollectorRegistry

from broker.bus import Bus
from broker.contract import SENSOR_DATA, ErrorDetail
from broker.contract.samples import RejectedSample
from broker.message import Message
from broker.pacing.supervisor import Supervisor
from ingest.alert_outbox import AlertOutbox
from ingest.decoded_message import Arrival, Stamps, arrive
from ingest.defects import REFUSED, Defects
from ingest.device_streams import Devices
from ingest.metrics import Metrics
from ingest.shard import Shard
from ingest.transaction import Outcome, store
from models.serving.drift import Drift
from models.serving.predictor import Predictor
from storage.writer import RowsRefusedError, Writer, WriterStoppedError

log = logging.getLogger(__name__)

BUFFER = 20_000
"""Messages that may wait for ingest; beyond it senders are held back."""
TAKE = 500
"""Messages in one transaction at most."""
TAKE_BYTES = 32 * 1024
"""So that a transaction full of batches, too, is over before a live reading has waited long."""
TRANSACTION_SAMPLES = 1_000
"""A transaction is not filled beyond this, so that batches of hundreds do not delay everybody else's answer."""
DECODED_AT_ONCE = 64 * 1024
"""Bytes that are decoded before others have their turn."""
WARN_EVERY_S = 10.0


class Counts(msgspec.Struct):
    """What has come since the start: samples stored, resends answered again, elements refused."""

    stored: int = 0
    duplicates: int = 0
    refused: int = 0


class Ingest:
    """Subscribes when it is made, so that nothing arrives before it is there.

    Args:
        bus: where samples come from and results go to.
        writer: the database.
        predictor: the model.
        now: the server's time, in UTC.
        process_id: makes the keys of this process unique; 64 random bits or more.
        share: the devices that are for this process.
        grace_s: see `AlertOutbox`.
        metrics: what is counted and measured.
        supervisor: starts tasks again that fail.
    """

    def __init__(
        self,
        bus: Bus,
        writer: Writer,
        predictor: Predictor,
        *,
        now: Callable[[], datetime],
        process_id: str,
        share: Shard = Shard(),  # noqa: B008 - it is immutable
        grace_s: float = 0.0,
        metrics: Metrics | None = None,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.counts = Counts()
        self._supervisor = supervisor or Supervisor()
        self._metrics = metrics or Metrics(CollectorRegistry())
        self._oldest_s: float | None = None
        self._bus = bus
        self._writer = writer
        self._predictor = predictor
        self._now = now
        self._stamps = Stamps(process_id)
        self._devices = Devices()
        self._undecoded, self._unstored = Defects(), Defects()
        self._warned_s = -WARN_EVERY_S
        self._share = share
        self._alerts = AlertOutbox(bus, writer, share.owns, grace_s=grace_s)
        self._subscription = bus.subscribe(
            [SENSOR_DATA.topic("+")], qos=SENSOR_DATA.qos, durable=True, buffer=BUFFER, group=share.group
        )
        self._drift = Drift(predictor.reference)
        self._metrics.watch_model(predictor.version, self._drift)
        self._metrics.waiting.set_function(lambda: float(len(self._subscription)))
        self._metrics.lag.set_function(lambda: self.lag_s)

    @property
    def lag_s(self) -> float:
        """How long the oldest message in work has waited; 0 where none is."""
        return 0.0 if self._oldest_s is None else time.monotonic() - self._oldest_s

    async def run(self) -> None:
        """Serve until the bus is drained or closed, then what is still waiting."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._supervisor.keep("alert outbox", self._alerts.run), name="alert outbox")
            await self._serve()
            self._alerts.finish()

    async def _serve(self) -> None:
        while taken := await self._subscription.take(TAKE, TAKE_BYTES):
            self._oldest_s = min(message.arrived_s for message in taken)
            messages = await self._own(taken)
            received_at = self._now()
            arrivals = await self._arrivals(messages, received_at)
            for some in _portions(arrivals):
                try:
                    await self._store(arrivals[some], messages[some])
                except WriterStoppedError:
                    log.error("stopped without the database: what came last is neither stored nor acknowledged")  # noqa: TRY400
                    return
            self._oldest_s = None

    async def _own(self, messages: list[Message]) -> list[Message]:
        """What is for this process; another one stores the rest, and has it from the broker itself."""
        if self._share.parts == 1:
            return messages
        own: list[Message] = []
        for message in messages:
            if self._share.owns(message.device_id):
                own.append(message)
            else:
                await message.ack()
        return own

    async def _arrivals(self, messages: Sequence[Message], received_at: datetime) -> list[Arrival]:
        """Decode, and let others have their turn now and then: refusing a large message well takes milliseconds."""
        arrivals: list[Arrival] = []
        size = 0
        for message in messages:
            arrivals.append(self._arrive(message, received_at))
            size += len(message.payload)
            if size >= DECODED_AT_ONCE:
                size = 0
                await asyncio.sleep(0)
        return arrivals

    def _arrive(self, message: Message, received_at: datetime) -> Arrival:
        try:
            arrival = arrive(message, received_at, self._stamps)
        except Exception as error:  # noqa: BLE001 - `failed` logs it
            device_id = message.device_id
            self._count_defect(self._undecoded, device_id, error)
            refusal = RejectedSample(error=REFUSED, raw=message.payload)
            return Arrival(device_id, message.payload, received_at, (refusal,), batch=False)
        self._undecoded.succeeded()
        return arrival

    async def _store(self, arrivals: Sequence[Arrival], messages: Sequence[Message]) -> None:
        """Commit, answer and acknowledge. Where that fails in a way that nobody foresaw, message by message: the one that
        causes it is refused, and its neighbours are stored.
        """
        try:
            outcome = await self._commit(arrivals)
        except (WriterStoppedError, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - the message that is the cause fails again, and is logged then
            for arrival, message in zip(arrivals, messages, strict=True):
                await self._tell(await self._commit_alone(arrival), [message])
        else:
            await self._tell(outcome, messages)

    async def _commit_alone(self, arrival: Arrival) -> Outcome:
        try:
            outcome = await self._commit([arrival])
        except (WriterStoppedError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - `failed` logs it
            self._count_defect(self._unstored, arrival.device_id, error)
            return await self._commit([arrival.refused(REFUSED)])
        return outcome

    def _count_defect(self, defects: Defects, device_id: str, error: Exception) -> None:
        self._metrics.defects.inc()
        defects.failed(device_id, error)

    async def _commit(self, arrivals: Sequence[Arrival]) -> Outcome:
        work = partial(store, arrivals=arrivals, devices=self._devices, predictor=self._predictor)
        with self._metrics.commit_seconds.time():
            try:
                outcome = await self._writer.run(work)
            except RowsRefusedError as error:
                log.warning("the database refuses a row, storing one by one: %s", error)
                outcome = await self._writer.run(partial(work, isolate=True))
        self._metrics.transaction_samples.observe(sum(len(arrival.elements) for arrival in arrivals))
        self._devices.commit(outcome.states)
        self._drift.add(outcome.watched)
        return outcome

    async def _tell(self, outcome: Outcome, messages: Sequence[Message]) -> None:
        if outcome.fresh or outcome.duplicates:
            self._unstored.succeeded()
        self.counts.stored += outcome.fresh
        self.counts.duplicates += outcome.duplicates
        self.counts.refused += len(outcome.refused)
        self._metrics.stored.inc(outcome.fresh)
        self._metrics.duplicate.inc(outcome.duplicates)
        self._metrics.refused.inc(len(outcome.refused))
        if outcome.refused:
            self._warn(*outcome.refused[-1])
        for publication in outcome.publications:
            await self._bus.publish(publication.topic, publication.payload, qos=publication.qos)
        now_s = time.monotonic()
        for message in messages:
            await message.ack()
            self._metrics.answer_seconds.observe(now_s - message.arrived_s)
        self._alerts.add(outcome.alerts)

    def _warn(self, device_id: str, error: ErrorDetail) -> None:
        now_s = time.monotonic()
        if now_s - self._warned_s >= WARN_EVERY_S:
            self._warned_s = now_s
            log.warning("%d refused so far, the last from %r: %s", self.counts.refused, device_id[:64], error.message)


def _portions(arrivals: Sequence[Arrival]) -> Iterator[slice]:
    """Slices of `arrivals` of about `TRANSACTION_SAMPLES`."""
    start = samples = 0
    for index, arrival in enumerate(arrivals):
        samples += len(arrival.elements)
        if samples >= TRANSACTION_SAMPLES:
            yield slice(start, index + 1)
            start, samples = index + 1, 0
    if start < len(arrivals):
        yield slice(start, len(arrivals))
