"""The loop of ingest: take the messages that wait, decode, commit, publish the answers, acknowledge."""

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
from broker.contract.json_text import key_in_text
from broker.contract.samples import RejectedSample
from broker.message import Message
from broker.pacing.log_limiter import LogLimiter
from broker.pacing.supervisor import Supervisor
from ingest.alert_outbox import AlertOutbox
from ingest.decoded_message import DecodedMessage, KeyedSample, Stamps, decode_message
from ingest.defects import INTERNAL_ERROR, Defects
from ingest.device_streams import DeviceCache
from ingest.metrics import Metrics
from ingest.misaddressed import Misaddressed
from ingest.shard import Shard
from ingest.transaction import Outcome, store
from models.serving.drift import Drift
from models.serving.predictor import Predictor
from storage.writer import RowsRefusedError, Writer, WriterStoppedError

log = logging.getLogger(__name__)

BUFFER = 20_000
"""Messages that may wait for ingest; beyond it senders are held back."""
MAX_MESSAGES = 500
"""Messages in one transaction at most."""
MAX_BYTES = 32 * 1024
"""Bytes of payloads in one transaction at most: one that is full of batches must not delay a live reading for long."""
TRANSACTION_SAMPLES = 1_000
"""A transaction is not filled beyond this, so that batches of hundreds do not delay all other answers."""
DECODE_BATCH_BYTES = 64 * 1024
"""Bytes that are decoded before other tasks have their turn."""
WARN_INTERVAL_S = 10.0


class Counters(msgspec.Struct):
    """Elements since the start, by outcome."""

    stored: int = 0
    duplicates: int = 0
    rejected: int = 0


class Ingest:
    """Takes samples from the bus, and answers them after the commit. It subscribes at construction.

    Args:
        bus: source of samples, and destination of answers.
        writer: the database.
        predictor: the model.
        now: the server's time, in UTC.
        process_id: makes the keys of this process unique; 64 random bits or more.
        shard: the devices that are for this process.
        grace_s: see `AlertOutbox`.
        metrics: counters and histograms to update.
        supervisor: restarts tasks that fail.
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
        self.counters = Counters()
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
        self._warnings = LogLimiter(log, time.monotonic, WARN_INTERVAL_S)
        self._rejections = LogLimiter(log, time.monotonic, WARN_INTERVAL_S)
        self._shard = shard
        self._alerts = AlertOutbox(bus, writer, shard.owns, grace_s=grace_s)
        self._subscription = bus.subscribe(
            [SENSOR_DATA.topic("+")], qos=SENSOR_DATA.qos, durable=True, buffer=BUFFER, group=shard.group
        )
        self._misaddressed = Misaddressed(bus, shard.owns, now, self._metrics)
        self._drift = Drift(predictor.reference)
        self._metrics.watch_model(predictor.version, self._drift)
        self._metrics.waiting.set_function(lambda: float(len(self._subscription)))
        self._metrics.lag.set_function(lambda: self.lag_s)

    @property
    def lag_s(self) -> float:
        """Seconds since the oldest message in work arrived; 0 if there is none."""
        return 0.0 if self._oldest_s is None else time.monotonic() - self._oldest_s

    async def run(self) -> None:
        """Serve until the bus is drained or closed and no message waits."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._supervisor.keep("alert outbox", self._alerts.run), name="alert outbox")
            misaddressed = tasks.create_task(
                self._supervisor.keep("misaddressed messages", self._misaddressed.run), name="misaddressed messages"
            )
            await self._serve()
            misaddressed.cancel()
            self._alerts.finish()

    async def _serve(self) -> None:
        while messages := await self._subscription.take(MAX_MESSAGES, MAX_BYTES):
            self._oldest_s = min(message.arrived_s for message in messages)
            messages = await self._of_shard(messages)
            received_at = self._now()
            decoded = await self._decode_all(messages, received_at)
            for portion in _portions(decoded):
                try:
                    await self._store(decoded[portion], messages[portion])
                except WriterStoppedError:
                    log.error("stopped without the database: what came last is neither stored nor acknowledged")  # noqa: TRY400
                    return
            self._oldest_s = None

    async def _of_shard(self, messages: list[Message]) -> list[Message]:
        """The messages of the shard. Others are acknowledged: the ingest that stores them gets them too."""
        if self._shard.parts == 1:
            return messages
        ours: list[Message] = []
        for message in messages:
            if self._shard.owns(message.device_id):
                ours.append(message)
            else:
                await message.ack()
        return ours

    async def _decode_all(self, messages: Sequence[Message], received_at: datetime) -> list[DecodedMessage]:
        """Decode, with pauses for other tasks: to name all errors of a large message takes milliseconds."""
        decoded: list[DecodedMessage] = []
        size = 0
        for message in messages:
            decoded.append(self._decode(message, received_at))
            size += len(message.payload)
            if size >= DECODE_BATCH_BYTES:
                size = 0
                await asyncio.sleep(0)
        return decoded

    def _decode(self, message: Message, received_at: datetime) -> DecodedMessage:
        try:
            decoded_message = decode_message(message, received_at, self._stamps)
        except Exception as error:  # noqa: BLE001 - `failed` logs it
            device_id = message.device_id
            self._count_defect(self._undecoded, device_id, error)
            rejected = RejectedSample(error=INTERNAL_ERROR, raw=message.payload, key=key_in_text(message.payload))
            return DecodedMessage(device_id, message.payload, received_at, (rejected,), batch=False)
        self._undecoded.succeeded()
        self._count_warnings(decoded_message)
        return decoded_message

    def _count_warnings(self, decoded_message: DecodedMessage) -> None:
        for element in decoded_message.elements:
            if isinstance(element, KeyedSample) and element.sample.warnings:
                for warning in element.sample.warnings:
                    self._metrics.warnings.labels(warning.code).inc()
                    self._warnings.warn("from %r: %s", decoded_message.device_id[:64], warning.message)

    async def _store(self, decoded: Sequence[DecodedMessage], messages: Sequence[Message]) -> None:
        """Commit, answer and acknowledge. If that fails unexpectedly, do it for each message by itself: the one that
        causes the failure is rejected, and the others are stored.
        """
        try:
            outcome = await self._commit(decoded)
        except (WriterStoppedError, MemoryError):
            raise
        except Exception:  # noqa: BLE001 - the message that is the cause fails again, and is logged then
            for decoded_message, message in zip(decoded, messages, strict=True):
                await self._publish_and_ack(await self._commit_alone(decoded_message), [message])
        else:
            await self._publish_and_ack(outcome, messages)

    async def _commit_alone(self, decoded_message: DecodedMessage) -> Outcome:
        try:
            outcome = await self._commit([decoded_message])
        except (WriterStoppedError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 - `failed` logs it
            self._count_defect(self._unstored, decoded_message.device_id, error)
            return await self._commit([decoded_message.rejected(INTERNAL_ERROR)])
        return outcome

    def _count_defect(self, defects: Defects, device_id: str, error: Exception) -> None:
        self._metrics.defects.inc()
        defects.failed(device_id, error)

    async def _commit(self, decoded: Sequence[DecodedMessage]) -> Outcome:
        work = partial(store, messages=decoded, devices=self._devices, predictor=self._predictor)
        with self._metrics.commit_seconds.time():
            try:
                outcome = await self._writer.run(work)
            except RowsRefusedError as error:
                log.warning("the database refuses a row, storing one by one: %s", error)
                outcome = await self._writer.run(partial(work, isolate=True))
        self._metrics.transaction_samples.observe(sum(len(decoded_message.elements) for decoded_message in decoded))
        self._devices.commit(outcome.states)
        self._drift.add(outcome.drift_inputs)
        return outcome

    async def _publish_and_ack(self, outcome: Outcome, messages: Sequence[Message]) -> None:
        if outcome.stored or outcome.duplicates:
            self._unstored.succeeded()
        self.counters.stored += outcome.stored
        self.counters.duplicates += outcome.duplicates
        self.counters.rejected += len(outcome.rejected)
        self._metrics.stored.inc(outcome.stored)
        self._metrics.duplicate.inc(outcome.duplicates)
        self._metrics.rejected.inc(len(outcome.rejected))
        if outcome.rejected:
            device_id, error = outcome.rejected[-1]
            last = device_id[:64], error.message
            self._rejections.warn("%d refused so far, the last from %r: %s", self.counters.rejected, *last)
        for publication in outcome.publications:
            await self._bus.publish(publication.topic, publication.payload, qos=publication.qos)
        now_s = time.monotonic()
        for message in messages:
            await message.ack()
            self._metrics.answer_seconds.observe(now_s - message.arrived_s)
        self._alerts.add(outcome.alerts)


def _portions(decoded: Sequence[DecodedMessage]) -> Iterator[slice]:
    """Slices of `decoded` with about `TRANSACTION_SAMPLES` samples each."""
    start = samples = 0
    for index, decoded_message in enumerate(decoded):
        samples += len(decoded_message.elements)
        if samples >= TRANSACTION_SAMPLES:
            yield slice(start, index + 1)
            start, samples = index + 1, 0
    if start < len(decoded):
        yield slice(start, len(decoded))
