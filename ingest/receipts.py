"""Results of a message's elements, and the messages that report them: receipts, readings, alerts."""

from collections.abc import Sequence
from typing import NamedTuple

from broker.contract import (
    DATA_RECEIVED,
    NEW_SENSOR_DATA,
    STRESS_ALERT,
    AlertState,
    BatchError,
    DataReceived,
    ErrorDetail,
    NewSensorData,
    Quality,
    SensorValues,
    StressAlert,
    StressLevel,
    StressPrediction,
    encode,
    percent,
)
from broker.contract.json_text import SentKey
from broker.contract.samples import Key, RejectedSample, sha256_of
from ingest.decoded_message import DecodedMessage, KeyedSample
from models.serving.predictor import Prediction


class Stored(NamedTuple):
    """The element is stored; `duplicate`: it was before. `confidence` is 0-1."""

    record_id: int
    level: StressLevel
    confidence: float
    duplicate: bool


class Publication(NamedTuple):
    """A message for the bus."""

    topic: str
    payload: bytes
    qos: int


Result = Stored | ErrorDetail


def receipt(message: DecodedMessage, results: Sequence[Result]) -> Publication:
    """`data_received` for a message, given the result of each element."""
    key = _key(message.elements[-1])
    stored = [
        (element, result)
        for element, result in zip(message.elements, results, strict=True)
        if isinstance(element, KeyedSample) and isinstance(result, Stored)
    ]
    errors = [(index, result) for index, result in enumerate(results) if isinstance(result, ErrorDetail)]
    newest = max(stored, key=lambda pair: pair[0].at)[1] if stored else None
    error = errors[0][1] if not stored else None
    warnings = tuple(
        _batch_error(index, element, detail)
        for index, (element, result) in enumerate(zip(message.elements, results, strict=True))
        if isinstance(element, KeyedSample) and isinstance(result, Stored)
        for detail in element.sample.warnings
    )
    reason = error or next((one.error for one in warnings), None)
    received = DataReceived(
        status="error" if newest is None else "partial" if errors else "success",
        record_id=None if newest is None else newest.record_id,
        stress_prediction=None if newest is None else StressPrediction(newest.level, newest.confidence),
        boot=key.boot,
        seq=key.seq,
        server_time=message.received_at,
        count=len(stored) if message.batch else None,
        duplicate=bool(stored) and all(result.duplicate for _, result in stored),
        error=error,
        message=None if reason is None else reason.message,
        errors=tuple(_batch_error(index, message.elements[index], detail) for index, detail in errors)
        if message.batch
        else (),
        warnings=warnings,
        sha256=sha256_of(message.payload),
    )
    return Publication(DATA_RECEIVED.topic(message.device_id), encode(received), DATA_RECEIVED.qos)


def new_reading(record_id: int, incoming: KeyedSample, prediction: Prediction, quality: Sequence[Quality]) -> Publication:
    """`new_sensor_data` for a sample that was stored just now."""
    sample = incoming.sample
    data = NewSensorData(
        id=record_id,
        timestamp=incoming.at,
        hr=sample.hr,
        temp=sample.temp,
        eda=sample.eda,
        stress_level=prediction.level,
        confidence=percent(prediction.confidence),
        device_id=sample.device_id,
        stress_probability=prediction.probability,
        quality=tuple(quality),
        reasons=prediction.reasons,
    )
    return Publication(NEW_SENSOR_DATA.topic(sample.device_id), encode(data), NEW_SENSOR_DATA.qos)


def alert_message(
    incoming: KeyedSample, alert_id: int, state: AlertState, level: StressLevel, smoothed: float, *, late: bool
) -> Publication:
    """`stress_alert` for an alert that was raised or cleared by a sample."""
    sample = incoming.sample
    raised = state == "raised"
    alert = StressAlert(
        level=level,
        confidence=percent(smoothed if raised else 1 - smoothed),
        message=_RAISED if raised else _CLEARED,
        sensor_data=SensorValues(sample.hr, sample.temp, sample.eda),
        device_id=sample.device_id,
        timestamp=incoming.at,
        alert_id=alert_id,
        state=state,
        late=late,
    )
    return Publication(STRESS_ALERT.topic(sample.device_id), encode(alert), STRESS_ALERT.qos)


_RAISED = "High stress level detected: the signs have lasted. Consider a break."
_CLEARED = "The stress level is back to normal."


def _key(element: KeyedSample | RejectedSample) -> Key | SentKey:
    """As much of the key that the sender gave as could be read."""
    return element.key if isinstance(element, RejectedSample) else element.sample.key or SentKey()


def _batch_error(index: int, element: KeyedSample | RejectedSample, detail: ErrorDetail) -> BatchError:
    key = _key(element)
    return BatchError(index, detail, key.boot, key.seq)
