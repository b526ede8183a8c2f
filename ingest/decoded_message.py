"""A message with everything that is fixed the moment it arrives, so that a repeated transaction repeats it exactly."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from broker.contract import STAMP, ErrorDetail, SensorSample, encode
from broker.contract.samples import Key, RejectedSample, Sample, decode
from broker.message import Message
from ingest.event_time import event_times
from storage.readings import RecordKey


class KeyedSample(NamedTuple):
    """A valid sample with its key (the sample's own, or one that was stamped here) and its time."""

    sample: Sample
    key: RecordKey
    at: datetime
    synced: bool

    @property
    def values(self) -> tuple[float | None, float | None, float | None]:
        """`hr`, `temp` and `eda`: by them a resend is told from another sample."""
        return self.sample.hr, self.sample.temp, self.sample.eda


class DecodedMessage(NamedTuple):
    """A message and its elements in order."""

    device_id: str
    payload: bytes
    received_at: datetime
    elements: tuple[KeyedSample | RejectedSample, ...]
    batch: bool

    def refused(self, error: ErrorDetail) -> "DecodedMessage":
        """The same message, every valid element of which is refused."""

        def refusal(element: KeyedSample | RejectedSample) -> RejectedSample:
            if isinstance(element, RejectedSample):
                return element
            return RejectedSample(error=error, raw=encoded_element(element), key=Key(element.key.boot, element.key.seq))

        return self._replace(elements=tuple(map(refusal, self.elements)))


class ElementIndex(NamedTuple):
    """Which element of which message of a transaction."""

    message: int
    element: int


class Stamps:
    """Keys for samples that came without one: `~` and a random process id, and a counter."""

    def __init__(self, process_id: str) -> None:
        self._boot = STAMP + process_id
        self._seq = 0

    def next(self, device_id: str) -> RecordKey:
        """A key that was not given before."""
        self._seq += 1
        return RecordKey(device_id, self._boot, self._seq)


def decode_message(message: Message, received_at: datetime, stamps: Stamps) -> DecodedMessage:
    """Decode `message` and give each sample its key and time."""
    device_id = message.device_id
    decoded = decode(message.payload, device_id, now=received_at, trusted=message.trusted)

    def elements() -> Iterator[KeyedSample | RejectedSample]:
        times = event_times(decoded.elements, received_at)
        for element, time in zip(decoded.elements, times, strict=True):
            if isinstance(element, RejectedSample) or time is None:
                yield element  # type: ignore[misc]
            else:
                key = element.key
                record = stamps.next(device_id) if key is None else RecordKey(device_id, key.boot, key.seq)
                yield KeyedSample(element, record, time.at, time.synced)

    return DecodedMessage(device_id, message.payload, received_at, tuple(elements()), decoded.batch)


def keyed_samples(messages: Iterable[DecodedMessage]) -> Iterator[tuple[ElementIndex, KeyedSample]]:
    """The valid samples of messages in order, each with its place."""
    for number, message in enumerate(messages):
        for position, element in enumerate(message.elements):
            if isinstance(element, KeyedSample):
                yield ElementIndex(number, position), element


def encoded_element(element: KeyedSample | RejectedSample) -> bytes:
    """An element as it came; of one that was decoded, its fields."""
    if isinstance(element, RejectedSample):
        return element.raw
    sample = element.sample
    return encode(
        SensorSample(
            hr=sample.hr,
            temp=sample.temp,
            eda=sample.eda,
            timestamp=None if sample.timestamp is None else sample.timestamp.isoformat(),
            device_id=sample.device_id,
            boot=element.key.boot,
            seq=element.key.seq,
        )
    )
