"""New samples, routed to the streams of their devices and predicted as one matrix."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection

from broker.contract import Quality
from ingest.decoded_message import DecodedMessage, ElementIndex, KeyedSample
from ingest.device_streams import DeviceCache, DeviceStreams, StreamState
from ingest.recovery import recover
from models.serving.alerts import AlertPolicy
from models.serving.predictor import Prediction, Predictor, Reading
from storage.device_state import Newest
from storage.tables import quality_text


class NewSample(NamedTuple):
    """A sample that is to be stored. `t_s` is when its stream took it; `live`: that is its device's live stream."""

    place: ElementIndex
    sample: KeyedSample
    received_at: datetime
    stream: StreamState
    live: bool
    t_s: float
    prediction: Prediction

    @property
    def quality(self) -> tuple[Quality, ...]:
        """The quality of the prediction, and `clock_unsynced` if the time is not by the device's clock."""
        return self.prediction.quality if self.sample.synced else ("clock_unsynced", *self.prediction.quality)

    def row(self, model_version: str) -> dict[str, Any]:
        """The row of the record."""
        hr, temp, eda = self.sample.values
        return {
            **self.sample.key._asdict(),
            "timestamp": self.sample.at,
            "received_at": self.received_at,
            "hr": hr,
            "temp": temp,
            "eda": eda,
            "stress_level": self.prediction.level,
            "confidence": self.prediction.confidence,
            "stress_probability": self.prediction.probability,
            "quality": quality_text(self.quality),
            "model_version": model_version,
        }


class StagedStates:
    """Copies of devices' states, for a transaction to move: they count once it is committed.

    Args:
        connection: the transaction.
        cache: the states in memory.
        policy: when alerts are raised, for states that are rebuilt.
        newest: how far the record of each device is.
    """

    def __init__(
        self, connection: Connection, cache: DeviceCache, policy: AlertPolicy, newest: Mapping[str, Newest]
    ) -> None:
        self._connection = connection
        self._cache = cache
        self._policy = policy
        self.newest = newest
        self.devices: dict[str, DeviceStreams] = {}

    def of(self, device_id: str) -> DeviceStreams:
        """A device's state: the one in memory, unless the record has gone on without it."""
        device = self.devices.get(device_id)
        if device is None:
            committed, (newest_id, reset_at) = self._cache.get(device_id), self.newest[device_id]
            if committed is None or committed.last_id != newest_id:
                device = recover(self._connection, device_id, self._policy, newest_id)
            else:
                device = committed.copy()
            if reset_at is not None:
                device.forget_person()
            self.devices[device_id] = device
        return device


def score(
    states: StagedStates,
    messages: Sequence[DecodedMessage],
    samples: Mapping[ElementIndex, KeyedSample],
    predictor: Predictor,
) -> list[NewSample]:
    """Step every stream in the order of time, and predict all samples as one matrix.

    The elements of one message are sorted by time; two messages are not mixed.
    """
    by_message: dict[int, list[tuple[ElementIndex, KeyedSample]]] = defaultdict(list)
    for place, sample in samples.items():
        by_message[place.message].append((place, sample))
    routed: list[tuple[ElementIndex, KeyedSample, datetime, StreamState, bool, float]] = []
    for number, elements in by_message.items():
        received_at = messages[number].received_at
        for place, sample in sorted(elements, key=lambda element: element[1].at):
            device = states.of(sample.key.device_id)
            stream, t_s = device.route(sample.at.timestamp(), received_at.timestamp(), sample.values)
            routed.append((place, sample, received_at, stream, stream is device.live, t_s))
    readings = [
        Reading(stream.features, t_s, *sample.values, sample.at.timestamp()) for _, sample, _, stream, _, t_s in routed
    ]
    predictions = predictor.score(readings, explain=True)
    return [NewSample(*route, prediction) for route, prediction in zip(routed, predictions, strict=True)]
