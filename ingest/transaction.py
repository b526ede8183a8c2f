"""One transaction: messages become rows, predictions, alerts and answers.

Everything here runs in the writer's thread, between ``BEGIN IMMEDIATE`` and ``COMMIT``, scoring and encoding too: a
prediction moves the state of its stream, and state follows the commit. So states are moved on copies, which
`Outcome.states` hands back: they count only once the transaction is committed, and it can be run again from the start.
"""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection

from broker.contract import SENSORS, ErrorDetail
from ingest.alerting import step_alert
from ingest.decoded_message import DecodedMessage, ElementIndex
from ingest.device_streams import DeviceCache, DeviceStreams
from ingest.duplicates import find_duplicates, resent
from ingest.receipts import Publication, Result, Stored, new_reading, receipt
from ingest.rejects import keep_rejected, rejected_before, rejected_by_database
from ingest.scoring import NewSample, StagedStates, score
from ingest.snapshots import save_snapshots
from models.serving.predictor import Predictor
from storage.device_state import newest
from storage.outbox import OutboxMessage, Unsent, insert_unsent
from storage.readings import insert_readings


class Outcome(NamedTuple):
    """Result of a transaction, to be acted on after the commit.

    `alerts` are in the outbox until the broker has them; `states` are those of the devices whose samples were stored;
    `stored` and `duplicates` count samples; `rejected` has the device and the error of each rejected element;
    `drift_inputs` has the values that `models.serving.drift` compares.
    """

    publications: list[Publication]
    alerts: list[Unsent]
    states: dict[str, DeviceStreams]
    stored: int
    duplicates: int
    rejected: list[tuple[str, ErrorDetail]]
    drift_inputs: dict[str, list[float | None]]


def store(
    connection: Connection,
    messages: Sequence[DecodedMessage],
    devices: DeviceCache,
    predictor: Predictor,
    *,
    isolate: bool = False,
) -> Outcome:
    """Store `messages`. `isolate`: rows are tried one by one, and those that the database refuses go to `rejected`."""
    return _Transaction(connection, messages, predictor).run(devices, isolate=isolate)


class _Transaction:
    """The steps share the result of each element; an instance lives for one run."""

    def __init__(self, connection: Connection, messages: Sequence[DecodedMessage], predictor: Predictor) -> None:
        self._connection = connection
        self._messages = messages
        self._predictor = predictor
        self._results: dict[ElementIndex, Result] = {}

    def run(self, devices: DeviceCache, *, isolate: bool) -> Outcome:
        connection, messages, predictor = self._connection, self._messages, self._predictor
        new, resends, answered = find_duplicates(connection, messages)
        self._results |= answered | rejected_before(messages)
        last = newest(connection, list({sample.key.device_id for sample in new.values()}))
        states = StagedStates(connection, devices, predictor.policy, last)
        samples = score(states, messages, new, predictor)
        if isolate:
            by_database = rejected_by_database(connection, samples, predictor.version)
            self._results |= by_database
            # Scored anew, on other copies: what the database refuses leaves no trace in any state.
            states = StagedStates(connection, devices, predictor.policy, last)
            samples = score(states, messages, {place: new[place] for place in new if place not in by_database}, predictor)
        ids = insert_readings(connection, [sample.row(predictor.version) for sample in samples])
        record_ids = [ids[sample.sample.key] for sample in samples]
        readings, alerts = self._finish(samples, record_ids)
        self._results |= {place: resent(self._results[original]) for place, original in resends.items()}
        receipts = self._receipts()
        rejected = keep_rejected(connection, messages, self._results)
        save_snapshots(connection, states, ids, messages[-1].received_at)
        unsent = insert_unsent(connection, alerts)
        duplicates = sum(isinstance(result, Stored) and result.duplicate for result in self._results.values())
        inputs = _drift_inputs(samples)
        return Outcome(receipts + readings, unsent, states.devices, len(ids), duplicates, rejected, inputs)

    def _finish(
        self, samples: Sequence[NewSample], record_ids: Sequence[int]
    ) -> tuple[list[Publication], list[OutboxMessage]]:
        """The result of each stored sample, its reading, and the alert that it may raise or clear."""
        readings: list[Publication] = []
        alerts: list[OutboxMessage] = []
        for new, record_id in zip(samples, record_ids, strict=True):
            prediction = new.prediction
            self._results[new.place] = Stored(record_id, prediction.level, prediction.confidence, duplicate=False)
            readings.append(new_reading(record_id, new.sample, prediction, new.quality))
            alert = step_alert(self._connection, self._predictor.policy, new, record_id)
            if alert is not None:
                alerts.append(alert)
        return readings, alerts

    def _receipts(self) -> list[Publication]:
        """The answer to each message."""
        return [
            receipt(message, [self._results[ElementIndex(number, position)] for position in range(len(message.elements))])
            for number, message in enumerate(self._messages)
        ]


def _drift_inputs(samples: Sequence[NewSample]) -> dict[str, list[float | None]]:
    values = {name: [getattr(new.sample.sample, name) for new in samples] for name in SENSORS}
    return {**values, "p": [new.prediction.probability for new in samples]}
