"""Snapshots of devices' states, in the transaction that moves them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from ingest.scoring import StagedStates
from storage.device_state import reset_done, save_state
from storage.readings import RecordKey

SNAPSHOT_S: Final = 60.0
"""A device's state is saved at most this often; recovery replays what came since."""


def save_snapshots(connection: Connection, states: StagedStates, ids: Mapping[RecordKey, int], now: datetime) -> None:
    """Note the newest row of each state, given the ids of the rows that were stored, and save the states that are due."""
    last_ids: dict[str, int] = {}
    for key, record_id in ids.items():
        last_ids[key.device_id] = max(record_id, last_ids.get(key.device_id, 0))
    for device_id, last_id in last_ids.items():
        device = states.of(device_id)
        device.last_id = last_id
        if device.saved_s is None or now.timestamp() - device.saved_s >= SNAPSHOT_S:
            device.saved_s = now.timestamp()
            save_state(connection, device_id, last_id, now, device.to_bytes(), device.baseline_json())
            # The snapshot is of the new baseline, and this transaction's: whatever happens, it began anew once.
            if (reset_at := states.newest[device_id].reset_at) is not None:
                reset_done(connection, device_id, reset_at)
