"""Recovery of a device's state from the record: its snapshot, and a replay of the rows that were committed after it."""

import logging

from sqlalchemy import Connection

from ingest.device_streams import DeviceStreams
from models.serving.alerts import AlertPolicy, step
from models.serving.levels import may_alert
from storage.device_state import load_state
from storage.readings import readings_after

log = logging.getLogger(__name__)


def recover(connection: Connection, device_id: str, policy: AlertPolicy, newest_id: int) -> DeviceStreams:
    """Return the state at the last commit, whose newest row is `newest_id`; without a usable snapshot, a new state."""
    device = _replayed(connection, device_id, policy)
    device.last_id = newest_id
    return device


def _replayed(connection: Connection, device_id: str, policy: AlertPolicy) -> DeviceStreams:
    snapshot = load_state(connection, device_id)
    if snapshot is None:
        return DeviceStreams.new()
    try:
        device = DeviceStreams.from_bytes(snapshot.state, snapshot.saved_at.timestamp())
    except ValueError as error:
        log.warning("%s starts anew: %s", device_id, error)
        return DeviceStreams.new()
    for row in readings_after(connection, device_id, snapshot.last_id):
        values, measured_s = (row.hr, row.temp, row.eda), row.timestamp.timestamp()
        stream, t_s = device.route(measured_s, row.received_at.timestamp(), values)
        stream.features.step(t_s, *values, measured_s)
        usable = may_alert(row.quality)
        stream.alert, change = step(policy, stream.alert, t_s, row.stress_probability, usable=usable)
        if change is not None:
            stream.alert_id = row.alert_id if change == "raised" else None
    return device
