"""Samples that are rejected: by their values, by the record, or by the database itself."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from broker.contract import MAX_DEVICE_ID, ErrorDetail
from broker.contract.samples import RejectedSample
from ingest.decoded_message import DecodedMessage, ElementIndex, encoded_element
from ingest.receipts import Result, Stored
from ingest.scoring import NewSample
from storage.readings import rejected_one_by_one
from storage.rejected import insert_rejected, kept_payload
from storage.tables import BOOT_KEPT


def rejected_before(messages: Iterable[DecodedMessage]) -> dict[ElementIndex, Result]:
    """The results of elements that were rejected when they were decoded."""
    return {
        ElementIndex(number, position): element.error
        for number, message in enumerate(messages)
        for position, element in enumerate(message.elements)
        if isinstance(element, RejectedSample)
    }


def rejected_by_database(
    connection: Connection, samples: Iterable[NewSample], model_version: str
) -> dict[ElementIndex, Result]:
    """Insert each sample by itself, and take it back: the results of those that the database does not take."""
    places = {new.sample.key: new.place for new in samples}
    trial = connection.begin_nested()
    rejected = rejected_one_by_one(connection, [new.row(model_version) for new in samples])
    trial.rollback()
    return {places[key]: ErrorDetail("database", f"the database refuses it: {reason}") for key, reason in rejected.items()}


def keep_rejected(
    connection: Connection, messages: Sequence[DecodedMessage], results: Mapping[ElementIndex, Result]
) -> list[tuple[str, ErrorDetail]]:
    """Store every element that was rejected. Return the device and the error of each."""
    rows: list[dict[str, Any]] = []
    rejected: list[tuple[str, ErrorDetail]] = []
    for place, result in results.items():
        if isinstance(result, Stored):
            continue
        message = messages[place.message]
        element = message.elements[place.element]
        rows.append(
            {
                "device_id": message.device_id[:MAX_DEVICE_ID],
                "boot": None if element.key.boot is None else element.key.boot[:BOOT_KEPT],
                "seq": element.key.seq,
                "received_at": message.received_at,
                "code": result.code,
                "field": result.field,
                "message": result.message,
                **kept_payload(encoded_element(element)),
            }
        )
        rejected.append((message.device_id, result))
    insert_rejected(connection, rows)
    return rejected
