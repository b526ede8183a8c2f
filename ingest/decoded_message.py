"""Decoded messages with keys and times of their samples, fixed on arrival so that a transaction can run again."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from broker.contract import STAMP, ErrorDetail, SensorSample, encode
from broker.contract.json_text import SentKey
from broker.contract.samples import RejectedSample, Sample, decode
from broker.message import Message
from ingest.event_time import event_times
from storage.readings import RecordKey


class KeyedSample(NamedTuple):
    """A valid sample with its key, which the device or ingest gave, and its event time; `synced`: by the device's clock."""

    sample: Sample
    key: RecordKey
    at: datetime
    synced: bool

    @property
    def values(self) -> tuple[float | None, float | None, float | None]:
        """`hr`, `temp` and `eda`: a resend has the same values as the first."""
        return self.sample.hr, self.sample.temp, self.sample.eda


class DecodedMessage(NamedTuple):
    """A message and its elements in order; `batch`: it was a JSON array."""

    device_id: str
    payload: bytes
    received_at: datetime
    elements: tuple[KeyedSample | RejectedSample, ...]
    batch: bool

    def rejected(self, error: ErrorDetail) -> "DecodedMessage":
        """The same message with every valid element rejected."""

        def reject(element: KeyedSample | RejectedSample) -> RejectedSample:
            if isinstance(element, RejectedSample):
                return element
            return RejectedSample(error=error, raw=encoded_element(element), key=SentKey(element.key.boot, element.key.seq))

        return self._replace(elements=tuple(map(reject, self.elements)))


class ElementIndex(NamedTuple):
    """Position of an element: its message in the transaction, and its index in that."""

    message: int
    element: int


class Stamps:
    """Generator of keys for samples that came without one: `~` and a random process id as `boot`, and a counter."""

    def __init__(self, process_id: str) -> None:
        self._boot = STAMP + process_id
        self._seq = 0

    def next(self, device_id: str) -> RecordKey:
        """Return a new key."""
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
    """The bytes of an element as it came; of a valid one its fields, encoded anew."""
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
