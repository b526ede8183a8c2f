"""Alerts that a stored sample raises or clears."""

from sqlalchemy import Connection

from broker.contract import LATE_AFTER_S, AlertState, StressLevel
from ingest.receipts import alert_message
from ingest.scoring import NewSample
from models.serving.alerts import AlertPolicy, step
from models.serving.levels import may_alert
from storage.alerts import insert_alert
from storage.outbox import OutboxMessage


def step_alert(connection: Connection, policy: AlertPolicy, new: NewSample, record_id: int) -> OutboxMessage | None:
    """Step the alert of the sample's stream. If that raises or clears it, store an alert and return its message."""
    stream, prediction = new.stream, new.prediction
    usable = may_alert(prediction.quality)
    stream.alert, change = step(policy, stream.alert, new.t_s, prediction.probability, usable=usable)
    return None if change is None else _store(connection, new, record_id, change)


def _store(connection: Connection, new: NewSample, record_id: int, state: AlertState) -> OutboxMessage:
    stream, sample, device_id = new.stream, new.sample, new.sample.key.device_id
    smoothed = stream.alert.smoothed or 0.0
    late = not new.live or (new.received_at - sample.at).total_seconds() > LATE_AFTER_S
    level: StressLevel = "high_stress" if state == "raised" else "normal"
    row = {
        "device_id": device_id,
        "raised_id": None if state == "raised" else stream.alert_id,
        "record_id": record_id,
        "state": state,
        "level": level,
        "late": late,
        "timestamp": sample.at,
        "received_at": new.received_at,
        "stress_probability": smoothed,
    }
    alert_id = insert_alert(connection, row)
    shown_id = alert_id if state == "raised" or stream.alert_id is None else stream.alert_id
    stream.alert_id = alert_id if state == "raised" else None
    message = alert_message(sample, shown_id, state, level, smoothed, late=late)
    return OutboxMessage(device_id, message.topic, message.payload)
