"""Rows inside the writer's transaction."""

import hashlib
import random
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, text

from storage.alerts import insert_alert
from storage.database import Database
from storage.device_state import StoredState, load_state, save_state
from storage.readings import (
    RecordKey,
    ReplayedReading,
    StoredReading,
    find_readings,
    insert_readings,
    readings_after,
    rejected_one_by_one,
)
from storage.rejected import insert_rejected, kept_payload
from storage.tables import PAYLOAD_KEPT, REJECTED_KEPT, HistoryStress, Rejected
from storage.writer import CrossedError
from tests.support.rows import NOON, rejected_row, row


def test_ids_are_those_of_the_keys(database: Database) -> None:
    rows = [row(seq, device_id=f"d{seq % 7}", boot=f"b{seq % 3}") for seq in range(2_500)]
    random.Random(0).shuffle(rows)
    with database.writer.begin() as connection:
        ids = insert_readings(connection, rows)
        h = HistoryStress
        read = {RecordKey(*row[1:]): row[0] for row in connection.execute(select(h.id, h.device_id, h.boot, h.seq))}
    assert ids == read
    assert set(ids) == {RecordKey(one["device_id"], one["boot"], one["seq"]) for one in rows}
    assert [ids[RecordKey(one["device_id"], one["boot"], one["seq"])] for one in rows] == sorted(ids.values())


def test_nothing_to_insert_is_nothing(database: Database) -> None:
    with database.writer.begin() as connection:
        assert insert_readings(connection, []) == {}


def test_a_key_that_is_there_already_is_a_crossing(database: Database) -> None:
    with database.writer.begin() as connection:
        insert_readings(connection, [row(1)])
        with pytest.raises(CrossedError):
            insert_readings(connection, [row(2), row(1, hr=99.0), row(3)])


def test_stored_finds_what_is_there_and_nothing_else(database: Database) -> None:
    count = 1_003
    with database.writer.begin() as connection:
        ids = insert_readings(connection, [row(seq) for seq in range(count)])
        insert_readings(connection, [row(0, device_id="e", hr=None, eda=None, stress_level="elevated", confidence=0.5)])
        others = [RecordKey("d", "b", count), RecordKey("d", "c", 1), RecordKey("f", "b", 1)]
        found = find_readings(connection, [*ids, *others, RecordKey("e", "b", 0)])
        assert find_readings(connection, []) == {}
    assert found.pop(RecordKey("e", "b", 0)) == StoredReading(count + 1, "elevated", 0.5, (None, 33.5, None))
    assert {key: one.id for key, one in found.items()} == ids
    assert found[RecordKey("d", "b", 7)] == StoredReading(ids[RecordKey("d", "b", 7)], "normal", 0.85, (67.0, 33.5, 0.4))


def test_one_by_one_a_refused_row_leaves_its_neighbours(database: Database) -> None:
    with database.writer.begin() as connection:
        refused = rejected_one_by_one(connection, [row(1), row(2, stress_level=None), row(3)])
    assert set(refused) == {RecordKey("d", "b", 2)}
    assert "stress_level" in refused[RecordKey("d", "b", 2)]
    with database.reader.connect() as connection:
        assert connection.execute(select(HistoryStress.seq).order_by(HistoryStress.id)).scalars().all() == [1, 3]


def test_of_what_is_refused_the_newest_are_kept(database: Database) -> None:
    with database.writer.begin() as connection:
        insert_rejected(connection, [])
        insert_rejected(connection, [rejected_row(number) for number in range(REJECTED_KEPT - 1)])
        insert_rejected(connection, [rejected_row(REJECTED_KEPT - 1)])
        assert connection.execute(select(func.count()).select_from(Rejected)).scalar_one() == REJECTED_KEPT
        insert_rejected(connection, [rejected_row(REJECTED_KEPT + more) for more in range(5)])
        messages = [int(one) for one in connection.execute(select(Rejected.message).order_by(Rejected.id)).scalars()]
    assert messages == list(range(5, REJECTED_KEPT + 5))


def test_what_is_kept_of_a_payload() -> None:
    payload = bytes(range(256)) * 20
    assert kept_payload(payload) == {
        "payload": payload[:PAYLOAD_KEPT],
        "length": 5120,
        "sha256": hashlib.sha256(payload).hexdigest(),
    }
    assert kept_payload(b"") == {"payload": b"", "length": 0, "sha256": hashlib.sha256(b"").hexdigest()}


def test_a_snapshot_replaces_the_one_before(database: Database) -> None:
    later = NOON + timedelta(seconds=1)
    with database.writer.begin() as connection:
        assert load_state(connection, "d") is None
        save_state(connection, "d", 1, NOON, b"one")
        save_state(connection, "e", 2, NOON, b"other")
        save_state(connection, "d", 3, later, b"two")
        assert load_state(connection, "d") == StoredState(3, later, b"two")
        assert load_state(connection, "e") == StoredState(2, NOON, b"other")


def alert_row(record_id: int, state: str, *, device_id: str = "d") -> dict[str, object]:
    return {
        "device_id": device_id,
        "raised_id": None if state == "raised" else 1,
        "record_id": record_id,
        "state": state,
        "level": "high_stress",
        "late": False,
        "timestamp": NOON,
        "received_at": NOON,
        "stress_probability": 0.9,
    }


def test_readings_after_are_one_device_s_in_the_order_of_storing_with_the_alerts_they_raised(database: Database) -> None:
    with database.writer.begin() as connection:
        rows = [row(seq, device_id="de"[seq % 2], at=NOON - timedelta(seconds=seq)) for seq in range(8)]
        ids = insert_readings(connection, rows)
        raised = insert_alert(connection, alert_row(ids[RecordKey("d", "b", 4)], "raised"))
        insert_alert(connection, alert_row(ids[RecordKey("d", "b", 6)], "cleared"))
        after = list(readings_after(connection, "d", ids[RecordKey("d", "b", 0)]))
    assert [(one.id, one.alert_id) for one in after] == [
        (ids[RecordKey("d", "b", 2)], None),
        (ids[RecordKey("d", "b", 4)], raised),
        (ids[RecordKey("d", "b", 6)], None),
    ]
    assert after[0] == ReplayedReading(
        ids[RecordKey("d", "b", 2)], NOON - timedelta(seconds=2), NOON, 62.0, 33.5, 0.4, 0.15, (), None
    )


def test_times_are_utc_on_both_sides(database: Database) -> None:
    zoned = NOON.astimezone().replace(microsecond=123456)
    with database.writer.begin() as connection:
        insert_readings(connection, [row(1, at=zoned)])
        assert connection.execute(select(HistoryStress.timestamp)).scalar_one() == zoned
        kept = connection.execute(text("SELECT timestamp FROM history_stress")).scalar_one()
        assert str(kept).removesuffix("+00:00") == "2024-12-10 12:00:00.123456"
        connection.execute(delete(HistoryStress))
