"""One transaction: what arrived becomes rows, predictions, alerts and answers.

Everything here runs in the writer's thread. States are moved on copies, which `Outcome.states` hands back: they count only
once the transaction is committed, so it can be run again from the start.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from broker.contract import LATE_AFTER_S, MAX_DEVICE_ID, AlertState, ErrorDetail, Quality, StressLevel
from broker.contract.samples import RejectedSample
from ingest.decoded_message import DecodedMessage, KeyedSample, encoded_element
from ingest.device_streams import DeviceCache, DeviceStreams, StreamState
from ingest.receipts import Publication, Result, Stored, alert_message, new_reading, receipt
from ingest.recovery import recover
from models.serving.alerts import step
from models.serving.levels import may_alert
from models.serving.predictor import Prediction, Predictor, Reading
from storage.alerts import insert_alert
from storage.device_state import Newest, newest, reset_done, save_state
from storage.outbox import Unsent, insert_unsent
from storage.readings import RecordKey, StoredReading, insert_readings, refused_one_by_one, stored
from storage.rejected import insert_rejected, kept_payload

SNAPSHOT_S: Final = 60.0
"""A device's state is saved at most this often; recovery replays what came since."""
_CONFLICT = ErrorDetail("conflict", "boot and seq are those of another sample: do two devices share this name?", "seq")


class Outcome(NamedTuple):
    """What follows a commit. `alerts` are in the outbox until the broker has them. `rejected`: with the device, why."""

    publications: list[Publication]
    alerts: list[Unsent]
    states: dict[str, DeviceStreams]
    stored: int
    duplicates: int
    rejected: list[tuple[str, ErrorDetail]]
    drift_inputs: dict[str, list[float | None]]
    """The values of what is watched for drift, see `models.serving.drift`."""


class ElementIndex(NamedTuple):
    """Which element of which message."""

    message: int
    element: int


class NewSample(NamedTuple):
    """A sample that is new, the lane that took it and what was predicted."""

    place: ElementIndex
    sample: KeyedSample
    stream: StreamState
    t_s: float
    prediction: Prediction


def store(
    connection: Connection,
    messages: Sequence[DecodedMessage],
    devices: DeviceCache,
    predictor: Predictor,
    *,
    isolate: bool = False,
) -> Outcome:
    """Store `messages`. `isolate`: rows one by one, those that the database refuses going to `rejected`."""
    return _Transaction(connection, messages, devices, predictor).run(isolate)


class _Transaction:
    """The steps share what they found; an instance lives for one run."""

    def __init__(
        self, connection: Connection, messages: Sequence[DecodedMessage], devices: DeviceCache, predictor: Predictor
    ) -> None:
        self._connection = connection
        self._arrivals = messages
        self._devices = devices
        self._predictor = predictor
        self._states: dict[str, DeviceStreams] = {}
        self._results: dict[ElementIndex, Result] = {}
        self._readings: list[Publication] = []
        self._alerts: list[tuple[str, str, bytes]] = []
        self._newest: dict[str, Newest] = {}

    def run(self, isolate: bool) -> Outcome:
        new, resends = self._split()
        self._newest = newest(self._connection, list({self._at(index).key.device_id for index in new}))
        stored = self._predict(new)
        if isolate:
            stored = self._isolated(stored)
        ids = insert_readings(self._connection, [self._row(one) for one in stored])
        for one in stored:
            self._finish(one, ids[one.sample.key])
        for index, original in resends.items():
            self._results[index] = self._repeated(original)
        receipts = [
            receipt(
                message,
                [self._results[ElementIndex(at, index)] for index in range(len(message.elements))],
                message.received_at,
            )
            for at, message in enumerate(self._arrivals)
        ]
        rejected = self._reject()
        self._save_snapshots(ids)
        alerts = insert_unsent(self._connection, self._alerts)
        duplicates = sum(isinstance(result, Stored) and result.duplicate for result in self._results.values())
        return Outcome(
            receipts + self._readings, alerts, self._states, len(ids), duplicates, rejected, _drift_inputs(stored)
        )

    def _split(self) -> tuple[list[ElementIndex], dict[ElementIndex, ElementIndex]]:
        """The places of new samples, and of resends of these; what else there is gets its result here."""
        known = stored(self._connection, list({one.key for _, one in self._incoming()}))
        first: dict[RecordKey, ElementIndex] = {}
        resends: dict[ElementIndex, ElementIndex] = {}
        for index, one in self._incoming():
            before = known.get(one.key)
            if before is not None:
                self._results[index] = _resent(before) if before.values == _values(one) else _CONFLICT
                continue
            original = first.setdefault(one.key, index)
            if _values(self._at(original)) != _values(one):
                self._results[index] = _CONFLICT
            elif original != index:
                resends[index] = original
        for number, message in enumerate(self._arrivals):
            for position, element in enumerate(message.elements):
                if isinstance(element, RejectedSample):
                    self._results[ElementIndex(number, position)] = element.error
        return list(first.values()), resends

    def _predict(self, new: Sequence[ElementIndex]) -> list[NewSample]:
        """Step every lane in the order of time, and predict all as one matrix."""
        by_message: dict[int, list[ElementIndex]] = defaultdict(list)
        for index in new:
            by_message[index.message].append(index)
        routed: list[tuple[ElementIndex, KeyedSample, StreamState, float]] = []
        for indexes in by_message.values():
            # One array is sorted by time; two messages are not mixed.
            for index in sorted(indexes, key=lambda index: self._at(index).at):
                one = self._at(index)
                device, received_at = self._staged(one.key.device_id), self._arrivals[index.message].received_at
                routed.append((index, one, *device.route(one.at.timestamp(), received_at.timestamp())))
        readings = [Reading(stream.features, t_s, *_values(one)) for _, one, stream, t_s in routed]
        predictions = self._predictor.score(readings, explain=True)
        return [NewSample(*route, prediction) for route, prediction in zip(routed, predictions, strict=True)]

    def _isolated(self, stored: Sequence[NewSample]) -> list[NewSample]:
        """Try every row by itself and take it back; what the database refuses leaves no trace in any state."""
        trial = self._connection.begin_nested()
        rejected = refused_one_by_one(self._connection, [self._row(one) for one in stored])
        trial.rollback()
        for one in stored:
            if one.sample.key in rejected:
                message = f"the database refuses it: {rejected[one.sample.key]}"
                self._results[one.place] = ErrorDetail("database", message)
        self._states.clear()
        return self._predict([one.place for one in stored if one.sample.key not in rejected])

    def _staged(self, device_id: str) -> DeviceStreams:
        """The device's state as this transaction moves it: the one in memory, unless the record has gone on without it."""
        device = self._states.get(device_id)
        if device is None:
            committed, (newest_id, reset_at) = self._devices.get(device_id), self._newest[device_id]
            if committed is None or committed.last_id != newest_id:
                device = recover(self._connection, device_id, self._predictor.policy, newest_id)
            else:
                device = committed.copy()
            if reset_at is not None:
                device.forget_person()
            self._states[device_id] = device
        return device

    def _row(self, one: NewSample) -> dict[str, Any]:
        keyed, prediction = one.sample, one.prediction
        sample = keyed.sample
        return {
            **keyed.key._asdict(),
            "timestamp": keyed.at,
            "received_at": self._arrivals[one.place.message].received_at,
            "hr": sample.hr,
            "temp": sample.temp,
            "eda": sample.eda,
            "stress_level": prediction.level,
            "confidence": prediction.confidence,
            "stress_probability": prediction.probability,
            "quality": ",".join(_quality(one)),
            "model_version": self._predictor.version,
        }

    def _finish(self, one: NewSample, record_id: int) -> None:
        """What follows from a stored row: the reading, and the alert that it may raise or clear."""
        prediction = one.prediction
        self._results[one.place] = Stored(record_id, prediction.level, prediction.confidence, duplicate=False)
        self._readings.append(new_reading(record_id, one.sample, prediction, _quality(one)))
        stream, usable = one.stream, may_alert(prediction.quality)
        stream.alert, state = step(self._predictor.policy, stream.alert, one.t_s, prediction.probability, usable=usable)
        if state is not None:
            self._alert(one, record_id, state)

    def _alert(self, one: NewSample, record_id: int, state: AlertState) -> None:
        """The row and the message of an alert that a reading raised or cleared."""
        stream, at, device_id = one.stream, one.sample.at, one.sample.key.device_id
        received_at = self._arrivals[one.place.message].received_at
        smoothed = stream.alert.smoothed or 0.0
        late = stream is not self._states[device_id].live or (received_at - at).total_seconds() > LATE_AFTER_S
        level: StressLevel = "high_stress" if state == "raised" else "normal"
        row = {
            "device_id": device_id,
            "raised_id": None if state == "raised" else stream.alert_id,
            "record_id": record_id,
            "state": state,
            "level": level,
            "late": late,
            "timestamp": at,
            "received_at": received_at,
            "stress_probability": smoothed,
        }
        alert_id = insert_alert(self._connection, row)
        shown_id = alert_id if state == "raised" or stream.alert_id is None else stream.alert_id
        message = alert_message(one.sample, shown_id, state, level, smoothed, late=late)
        self._alerts.append((device_id, message.topic, message.payload))
        stream.alert_id = alert_id if state == "raised" else None

    def _repeated(self, original: ElementIndex) -> Result:
        result = self._results[original]
        return result._replace(duplicate=True) if isinstance(result, Stored) else result

    def _reject(self) -> list[tuple[str, ErrorDetail]]:
        """Keep every element that was refused."""
        rows: list[dict[str, Any]] = []
        rejected: list[tuple[str, ErrorDetail]] = []
        for index, result in self._results.items():
            if isinstance(result, Stored):
                continue
            message = self._arrivals[index.message]
            element = message.elements[index.element]
            key = element.key
            rows.append(
                {
                    "device_id": message.device_id[:MAX_DEVICE_ID],
                    "boot": None if key is None else key.boot,
                    "seq": None if key is None else key.seq,
                    "received_at": message.received_at,
                    "code": result.code,
                    "field": result.field,
                    "message": result.message,
                    **kept_payload(encoded_element(element)),
                }
            )
            rejected.append((message.device_id, result))
        insert_rejected(self._connection, rows)
        return rejected

    def _save_snapshots(self, ids: dict[RecordKey, int]) -> None:
        """Note each state's newest row, and take the snapshots that are due."""
        last_ids: dict[str, int] = {}
        for key, record_id in ids.items():
            last_ids[key.device_id] = max(record_id, last_ids.get(key.device_id, 0))
        saved_at = self._arrivals[-1].received_at
        for device_id, last_id in last_ids.items():
            device = self._states[device_id]
            device.last_id = last_id
            if device.saved_s is None or saved_at.timestamp() - device.saved_s >= SNAPSHOT_S:
                device.saved_s = saved_at.timestamp()
                save_state(self._connection, device_id, last_id, saved_at, device.to_bytes(), device.baseline_json())
                # The snapshot is of the new baseline, and this transaction's: whatever happens, it began anew once.
                if (reset_at := self._newest[device_id].reset_at) is not None:
                    reset_done(self._connection, device_id, reset_at)

    def _incoming(self) -> Iterator[tuple[ElementIndex, KeyedSample]]:
        for number, message in enumerate(self._arrivals):
            for position, element in enumerate(message.elements):
                if isinstance(element, KeyedSample):
                    yield ElementIndex(number, position), element

    def _at(self, index: ElementIndex) -> KeyedSample:
        element = self._arrivals[index.message].elements[index.element]
        assert isinstance(element, KeyedSample)  # noqa: S101 - places are made of nothing else
        return element


def _values(one: KeyedSample) -> tuple[float | None, float | None, float | None]:
    return one.sample.hr, one.sample.temp, one.sample.eda


def _drift_inputs(stored: Sequence[NewSample]) -> dict[str, list[float | None]]:
    samples = [one.sample.sample for one in stored]
    channels: dict[str, list[float | None]] = {
        "hr": [sample.hr for sample in samples],
        "temp": [sample.temp for sample in samples],
        "eda": [sample.eda for sample in samples],
    }
    return {**channels, "p": [one.prediction.probability for one in stored]}


def _resent(before: StoredReading) -> Stored:
    return Stored(before.id, before.stress_level, before.confidence, duplicate=True)


def _quality(one: NewSample) -> tuple[Quality, ...]:
    return one.prediction.quality if one.sample.synced else ("clock_unsynced", *one.prediction.quality)
