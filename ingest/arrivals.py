"""A message with everything that is fixed the moment it arrives, so that a repeated transaction repeats it exactly."""

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

from broker.bus import Message
from broker.contract import STAMP, device_of
from broker.decoding import Refusal, Sample, decode
from ingest.clock import taken
from storage.records import RecordKey


class Incoming(NamedTuple):
    """A valid sample with its key (the sample's own, or one that was stamped here) and its time."""

    sample: Sample
    key: RecordKey
    at: datetime
    synced: bool


class Arrival(NamedTuple):
    """A message and its elements in order."""

    device_id: str
    payload: bytes
    received_at: datetime
    elements: tuple[Incoming | Refusal, ...]
    batch: bool


class Stamps:
    """Keys for samples that came without one: `~` and a random process id, and a counter."""

    def __init__(self, process_id: str) -> None:
        self._boot = STAMP + process_id
        self._seq = 0

    def next(self, device_id: str) -> RecordKey:
        """A key that was not given before."""
        self._seq += 1
        return RecordKey(device_id, self._boot, self._seq)


def arrive(message: Message, received_at: datetime, stamps: Stamps) -> Arrival:
    """Decode `message` and give each sample its key and time."""
    device_id = device_of(message.topic)
    decoded = decode(message.payload, device_id, now=received_at, trusted=message.trusted)

    def elements() -> Iterator[Incoming | Refusal]:
        times = taken(decoded.elements, received_at)
        for element, time in zip(decoded.elements, times, strict=True):
            if isinstance(element, Refusal) or time is None:
                yield element  # type: ignore[misc]
            else:
                key = element.key
                record = stamps.next(device_id) if key is None else RecordKey(device_id, key.boot, key.seq)
                yield Incoming(element, record, time.at, time.synced)

    return Arrival(device_id, message.payload, received_at, tuple(elements()), decoded.batch)
