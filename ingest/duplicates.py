"""Duplicates: samples whose key is stored already, or comes more than once in one transaction."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import Connection

from broker.contract import STAMP, ErrorDetail
from ingest.decoded_message import DecodedMessage, ElementIndex, KeyedSample, keyed_samples
from ingest.receipts import Result, Stored
from storage.readings import RecordKey, StoredReading, find_readings

CONFLICT: Final = ErrorDetail(
    "conflict",
    "boot and seq are those of another sample with other values: boot must be a new random text after each start, "
    "and no two devices may share a name",
    "seq",
)
KEY_CONFLICT: Final = ErrorDetail(
    "conflict", "the Idempotency-Key is that of an earlier request with other values: each request needs a new one"
)
"""For the keys that the gateway makes of an `Idempotency-Key`: the client knows no `boot`."""


class Duplicates(NamedTuple):
    """The samples of a transaction by whether they are new.

    `new`: samples to be scored and stored. `resends`: samples that repeat a new one, with which. `results`: samples that
    repeat a stored one, and those that have the key of another sample and other values.
    """

    new: dict[ElementIndex, KeyedSample]
    resends: dict[ElementIndex, ElementIndex]
    results: dict[ElementIndex, Result]


def find_duplicates(connection: Connection, messages: Sequence[DecodedMessage]) -> Duplicates:
    """Compare the samples with the record, then with each other."""
    samples = dict(keyed_samples(messages))
    known = find_readings(connection, list({sample.key for sample in samples.values()}))
    first: dict[RecordKey, ElementIndex] = {}
    found = Duplicates({}, {}, {})
    for place, sample in samples.items():
        reading = known.get(sample.key)
        original = place if reading is not None else first.setdefault(sample.key, place)
        if reading is not None:
            found.results[place] = _resent(reading) if reading.values == sample.values else _conflict(sample.key)
        elif samples[original].values != sample.values:
            found.results[place] = _conflict(sample.key)
        elif original == place:
            found.new[place] = sample
        else:
            found.resends[place] = original
    return found


def resent(result: Result) -> Result:
    """The result of a resend, given that of the sample which it repeats."""
    return result._replace(duplicate=True) if isinstance(result, Stored) else result


def _conflict(key: RecordKey) -> ErrorDetail:
    return KEY_CONFLICT if key.boot.startswith(STAMP) else CONFLICT


def _resent(reading: StoredReading) -> Stored:
    return Stored(reading.id, reading.stress_level, reading.confidence, duplicate=True)
