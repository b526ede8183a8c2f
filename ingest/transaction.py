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
from ingest.decoded_message import Arrival, Incoming, raw_of
from ingest.device_streams import Device, Devices, StreamState
from ingest.receipts import Publication, Result, Stored, alert_message, answer, new_reading
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
    """What follows a commit. `alerts` are in the outbox until the broker has them. `refused`: with the device, why."""

    publications: list[Publication]
    alerts: list[Unsent]
    states: dict[str, Device]
    fresh: int
    duplicates: int
    refused: list[tuple[str, ErrorDetail]]
    watched: dict[str, list[float | None]]
    """The values of what is watched for drift, see `models.serving.drift`."""


class Place(NamedTuple):
    """Which element of which message."""

    arrival: int
    element: int


class Fresh(NamedTuple):
    """A sample that is new, the lane that took it and what was predicted."""

    place: Place
    incoming: Incoming
    lane: StreamState
    t_s: float
    prediction: Prediction


def store(
    connection: Connection, arrivals: Sequence[Arrival], devices: Devices, predictor: Predictor, *, isolate: bool = False
) -> Outcome:
    """Store `arrivals`. `isolate`: rows one by one, those that the database refuses going to `rejected`."""
    return _Transaction(connection, arrivals, devices, predictor).run(isolate)


class _Transaction:
    """The steps share what they found; an instance lives for one run."""

    def __init__(self, connection: Connection, arrivals: Sequence[Arrival], devices: Devices, predictor: Predictor) -> None:
        self._connection = connection
        self._arrivals = arrivals
        self._devices = devices
        self._predictor = predictor
        self._states: dict[str, Device] = {}
        self._results: dict[Place, Result] = {}
        self._readings: list[Publication] = []
        self._alerts: list[tuple[str, str, bytes]] = []
        self._newest: dict[str, Newest] = {}

    def run(self, isolate: bool) -> Outcome:
        new, resends = self._split()
        self._newest = newest(self._connection, list({self._at(place).key.device_id for place in new}))
        fresh = self._predict(new)
        if isolate:
            fresh = self._isolated(fresh)
        ids = insert_readings(self._connection, [self._row(one) for one in fresh])
        for one in fresh:
            self._finish(one, ids[one.incoming.key])
        for place, original in resends.items():
            self._results[place] = self._repeated(original)
        answers = [
            answer(
                arrival, [self._results[Place(at, index)] for index in range(len(arrival.elements))], arrival.received_at
            )
            for at, arrival in enumerate(self._arrivals)
        ]
        refused = self._reject()
        self._move_on(ids)
        alerts = insert_unsent(self._connection, self._alerts)
        duplicates = sum(isinstance(result, Stored) and result.duplicate for result in self._results.values())
        return Outcome(answers + self._readings, alerts, self._states, len(ids), duplicates, refused, _watched(fresh))

    def _split(self) -> tuple[list[Place], dict[Place, Place]]:
        """The places of new samples, and of resends of these; what else there is gets its result here."""
        known = stored(self._connection, list({one.key for _, one in self._incoming()}))
        first: dict[RecordKey, Place] = {}
        resends: dict[Place, Place] = {}
        for place, one in self._incoming():
            before = known.get(one.key)
            if before is not None:
                self._results[place] = _resent(before) if before.values == _values(one) else _CONFLICT
                continue
            original = first.setdefault(one.key, place)
            if _values(self._at(original)) != _values(one):
                self._results[place] = _CONFLICT
            elif original != place:
                resends[place] = original
        for at, arrival in enumerate(self._arrivals):
            for index, element in enumerate(arrival.elements):
                if isinstance(element, RejectedSample):
                    self._results[Place(at, index)] = element.error
        return list(first.values()), resends

    def _predict(self, new: Sequence[Place]) -> list[Fresh]:
        """Step every lane in the order of time, and predict all as one matrix."""
        by_message: dict[int, list[Place]] = defaultdict(list)
        for place in new:
            by_message[place.arrival].append(place)
        routed: list[tuple[Place, Incoming, StreamState, float]] = []
        for places in by_message.values():
            # One array is sorted by time; two messages are not mixed.
            for place in sorted(places, key=lambda place: self._at(place).at):
                one = self._at(place)
                device, received_at = self._staged(one.key.device_id), self._arrivals[place.arrival].received_at
                routed.append((place, one, *device.route(one.at.timestamp(), received_at.timestamp())))
        readings = [Reading(lane.features, t_s, *_values(one)) for _, one, lane, t_s in routed]
        predictions = self._predictor.score(readings, explain=True)
        return [Fresh(*route, prediction) for route, prediction in zip(routed, predictions, strict=True)]

    def _isolated(self, fresh: Sequence[Fresh]) -> list[Fresh]:
        """Try every row by itself and take it back; what the database refuses leaves no trace in any state."""
        trial = self._connection.begin_nested()
        refused = refused_one_by_one(self._connection, [self._row(one) for one in fresh])
        trial.rollback()
        for one in fresh:
            if one.incoming.key in refused:
                message = f"the database refuses it: {refused[one.incoming.key]}"
                self._results[one.place] = ErrorDetail("database", message)
        self._states.clear()
        return self._predict([one.place for one in fresh if one.incoming.key not in refused])

    def _staged(self, device_id: str) -> Device:
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

    def _row(self, one: Fresh) -> dict[str, Any]:
        incoming, prediction = one.incoming, one.prediction
        sample = incoming.sample
        return {
            **incoming.key._asdict(),
            "timestamp": incoming.at,
            "received_at": self._arrivals[one.place.arrival].received_at,
            "hr": sample.hr,
            "temp": sample.temp,
            "eda": sample.eda,
            "stress_level": prediction.level,
            "confidence": prediction.confidence,
            "stress_probability": prediction.probability,
            "quality": ",".join(_quality(one)),
            "model_version": self._predictor.version,
        }

    def _finish(self, one: Fresh, record_id: int) -> None:
        """What follows from a stored row: the reading, and the alert that it may raise or clear."""
        prediction = one.prediction
        self._results[one.place] = Stored(record_id, prediction.level, prediction.confidence, duplicate=False)
        self._readings.append(new_reading(record_id, one.incoming, prediction, _quality(one)))
        lane, usable = one.lane, may_alert(prediction.quality)
        lane.alert, state = step(self._predictor.policy, lane.alert, one.t_s, prediction.probability, usable=usable)
        if state is not None:
            self._alert(one, record_id, state)

    def _alert(self, one: Fresh, record_id: int, state: AlertState) -> None:
        """The row and the message of an alert that a reading raised or cleared."""
        lane, at, device_id = one.lane, one.incoming.at, one.incoming.key.device_id
        received_at = self._arrivals[one.place.arrival].received_at
        smoothed = lane.alert.smoothed or 0.0
        late = lane is not self._states[device_id].live or (received_at - at).total_seconds() > LATE_AFTER_S
        level: StressLevel = "high_stress" if state == "raised" else "normal"
        row = {
            "device_id": device_id,
            "raised_id": None if state == "raised" else lane.alert_id,
            "record_id": record_id,
            "state": state,
            "level": level,
            "late": late,
            "timestamp": at,
            "received_at": received_at,
            "stress_probability": smoothed,
        }
        alert_id = insert_alert(self._connection, row)
        shown_id = alert_id if state == "raised" or lane.alert_id is None else lane.alert_id
        message = alert_message(one.incoming, shown_id, state, level, smoothed, late=late)
        self._alerts.append((device_id, message.topic, message.payload))
        lane.alert_id = alert_id if state == "raised" else None

    def _repeated(self, original: Place) -> Result:
        result = self._results[original]
        return result._replace(duplicate=True) if isinstance(result, Stored) else result

    def _reject(self) -> list[tuple[str, ErrorDetail]]:
        """Keep every element that was refused."""
        rows: list[dict[str, Any]] = []
        refused: list[tuple[str, ErrorDetail]] = []
        for place, result in self._results.items():
            if isinstance(result, Stored):
                continue
            arrival = self._arrivals[place.arrival]
            element = arrival.elements[place.element]
            key = element.key
            rows.append(
                {
                    "device_id": arrival.device_id[:MAX_DEVICE_ID],
                    "boot": None if key is None else key.boot,
                    "seq": None if key is None else key.seq,
                    "received_at": arrival.received_at,
                    "code": result.code,
                    "field": result.field,
                    "message": result.message,
                    **kept_payload(raw_of(element)),
                }
            )
            refused.append((arrival.device_id, result))
        insert_rejected(self._connection, rows)
        return refused

    def _move_on(self, ids: dict[RecordKey, int]) -> None:
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

    def _incoming(self) -> Iterator[tuple[Place, Incoming]]:
        for at, arrival in enumerate(self._arrivals):
            for index, element in enumerate(arrival.elements):
                if isinstance(element, Incoming):
                    yield Place(at, index), element

    def _at(self, place: Place) -> Incoming:
        element = self._arrivals[place.arrival].elements[place.element]
        assert isinstance(element, Incoming)  # noqa: S101 - places are made of nothing else
        return element


def _values(one: Incoming) -> tuple[float | None, float | None, float | None]:
    return one.sample.hr, one.sample.temp, one.sample.eda


def _watched(fresh: Sequence[Fresh]) -> dict[str, list[float | None]]:
    samples = [one.incoming.sample for one in fresh]
    channels: dict[str, list[float | None]] = {
        "hr": [sample.hr for sample in samples],
        "temp": [sample.temp for sample in samples],
        "eda": [sample.eda for sample in samples],
    }
    return {**channels, "p": [one.prediction.probability for one in fresh]}


def _resent(before: StoredReading) -> Stored:
    return Stored(before.id, before.stress_level, before.confidence, duplicate=True)


def _quality(one: Fresh) -> tuple[Quality, ...]:
    return one.prediction.quality if one.incoming.synced else ("clock_unsynced", *one.prediction.quality)
