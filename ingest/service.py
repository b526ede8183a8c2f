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
from broker.contract import SENSOR_DATA
from broker.contract.samples import RejectedSample
from broker.message import Message
from broker.pacing.log_limiter import LogLimiter
from broker.pacing.supervisor import Supervisor
from ingest.alert_outbox import AlertOutbox
from ingest.decoded_message import DecodedMessage, Stamps, decode_message
from ingest.defects import REFUSED, Defects
from ingest.device_streams import DeviceCache
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
        shard: Shard = Shard(),  # noqa: B008 - it is immutable
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
        self._devices = DeviceCache()
        self._undecoded, self._unstored = Defects(), Defects()
        self._rejections = LogLimiter(log, time.monotonic, WARN_EVERY_S)
        self._shard = shard
        self._alerts = AlertOutbox(bus, writer, shard.owns, grace_s=grace_s)
        self._subscription = bus.subscribe(
            [SENSOR_DATA.topic("+")], qos=SENSOR_DATA.qos, durable=True, buffer=BUFFER, group=shard.group
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
        while messages := await self._subscription.take(TAKE, TAKE_BYTES):
            self._oldest_s = min(message.arrived_s for message in messages)
            messages = await self._own(messages)
            received_at = self._now()
            decoded_messages = await self._arrivals(messages, received_at)
            for some in _portions(decoded_messages):
                try:
                    await self._store(decoded_messages[some], messages[some])
                except WriterStoppedError:
                    log.error("stopped without the database: what came last is neither stored nor acknowledged")  # noqa: TRY400
                    return
            self._oldest_s = None

    async def _own(self, messages: list[Message]) -> list[Message]:
        """What is for this process; another one stores the rest, and has it from the broker itself."""
        if self._shard.parts == 1:
            return messages
        own: list[Message] = []
        for message in messages:
            if self._shard.owns(message.device_id):
                own.append(message)
            else:
                await message.ack()
        return own

    async def _arrivals(self, messages: Sequence[Message], received_at: datetime) -> list[DecodedMessage]:
        """Decode, and let others have their turn now and then: refusing a large message well takes milliseconds."""
        decoded_messages: list[DecodedMessage] = []
        size = 0
        for message in messages:
            decoded_messages.append(self._arrive(message, received_at))
            size += len(message.payload)
            if size >= DECODED_AT_ONCE:
                size = 0
                await asyncio.sleep(0)
        return decoded_messages

    def _arrive(self, message: Message, received_at: datetime) -> DecodedMessage:
        try:
            decoded = decode_message(message, received_at, self._stamps)
        except Exception as error:  # noqa: BLE001 - `failed` logs it
            device_id = message.device_id
            self._count_defect(self._undecoded, device_id, error)
            refusal = RejectedSample(error=REFUSED, raw=message.payload)
            return DecodedMessage(device_id, message.payload, received_at, (refusal,), batch=False)
        self._undecoded.succeeded()
        return decoded

    async def _store(self, decoded_messages: Sequence[DecodedMessage], messages: Sequence[Message]) -> None:
        """Commit, answer and acknowledge. Where that fails in a way that nobody foresaw, message by message: the one that
        causes it is refused, and its neighbours are stored.
        """
        try:
            outcome = await self._commit(decoded_messages)
        except (WriterStoppedError, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - the message that is the cause fails again, and is logged then
            for decoded, message in zip(decoded_messages, messages, strict=True):
                await self._publish_and_ack(await self._commit_alone(decoded), [message])
        else:
            await self._publish_and_ack(outcome, messages)

    async def _commit_alone(self, decoded: DecodedMessage) -> Outcome:
        try:
            outcome = await self._commit([decoded])
        except (WriterStoppedError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - `failed` logs it
            self._count_defect(self._unstored, decoded.device_id, error)
            return await self._commit([decoded.refused(REFUSED)])
        return outcome

    def _count_defect(self, defects: Defects, device_id: str, error: Exception) -> None:
        self._metrics.defects.inc()
        defects.failed(device_id, error)

    async def _commit(self, decoded_messages: Sequence[DecodedMessage]) -> Outcome:
        work = partial(store, messages=decoded_messages, devices=self._devices, predictor=self._predictor)
        with self._metrics.commit_seconds.time():
            try:
                outcome = await self._writer.run(work)
            except RowsRefusedError as error:
                log.warning("the database refuses a row, storing one by one: %s", error)
                outcome = await self._writer.run(partial(work, isolate=True))
        self._metrics.transaction_samples.observe(sum(len(decoded.elements) for decoded in decoded_messages))
        self._devices.commit(outcome.states)
        self._drift.add(outcome.drift_inputs)
        return outcome

    async def _publish_and_ack(self, outcome: Outcome, messages: Sequence[Message]) -> None:
        if outcome.stored or outcome.duplicates:
            self._unstored.succeeded()
        self.counts.stored += outcome.stored
        self.counts.duplicates += outcome.duplicates
        self.counts.refused += len(outcome.rejected)
        self._metrics.stored.inc(outcome.stored)
        self._metrics.duplicate.inc(outcome.duplicates)
        self._metrics.refused.inc(len(outcome.rejected))
        if outcome.rejected:
            device_id, error = outcome.rejected[-1]
            last = device_id[:64], error.message
            self._rejections.warn("%d refused so far, the last from %r: %s", self.counts.refused, *last)
        for publication in outcome.publications:
            await self._bus.publish(publication.topic, publication.payload, qos=publication.qos)
        now_s = time.monotonic()
        for message in messages:
            await message.ack()
            self._metrics.answer_seconds.observe(now_s - message.arrived_s)
        self._alerts.add(outcome.alerts)


def _portions(decoded_messages: Sequence[DecodedMessage]) -> Iterator[slice]:
    """Slices of `decoded_messages` of about `TRANSACTION_SAMPLES`."""
    start = samples = 0
    for index, decoded in enumerate(decoded_messages):
        samples += len(decoded.elements)
        if samples >= TRANSACTION_SAMPLES:
            yield slice(start, index + 1)
            start, samples = index + 1, 0
    if start < len(decoded_messages):
        yield slice(start, len(decoded_messages))
