"""Pages of the record."""

import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from broker.contract import HistoryRequest, NewSensorData
from storage.database import Database
from storage.history import History, HistoryError, parse_request
from storage.readings import insert_readings
from tests.support.mqtt.aio import run
from tests.support.postgres import fast_postgres
from tests.support.rows import NOON, row


def insert(database: Database, rows: Sequence[dict[str, Any]]) -> None:
    with database.writer.begin() as connection:
        insert_readings(connection, rows)


def page(database: Database, **request: Any) -> tuple[NewSensorData, ...]:
    found: list[tuple[NewSensorData, ...]] = []

    async def main() -> None:
        async with History(database) as history:
            found.append((await history.answer(parse_request(request))).data)

    run(main)
    return found[0]


def seqs(readings: Sequence[NewSensorData]) -> list[int]:
    """The readings, by the heart rate that `row` gave them."""
    return [int((one.hr or 0) - 60) for one in readings]


def test_newest_first_by_time_then_by_id(database: Database) -> None:
    order = [3, 0, 4, 1]
    insert(database, [row(seq) for seq in order])
    insert(database, [row(5, at=NOON + timedelta(seconds=4)), row(6, at=NOON + timedelta(seconds=4))])
    assert seqs(page(database)) == [6, 5, 4, 3, 1, 0]


def test_100_by_default_and_as_many_as_asked_for(database: Database) -> None:
    insert(database, [row(seq) for seq in range(1100)])
    assert len(page(database)) == 100
    assert seqs(page(database, limit=3)) == [99, 98, 97]
    assert len(page(database, limit=1000)) == 1000


def test_one_device(database: Database) -> None:
    insert(database, [row(seq, device_id="de"[seq % 2]) for seq in range(6)])
    assert seqs(page(database, device_id="e")) == [5, 3, 1]
    assert page(database, device_id="f") == ()


TIMES = {
    1: datetime(2024, 12, 9, 23, 59, 59, 999999, tzinfo=UTC),
    2: datetime(2024, 12, 10, tzinfo=UTC),
    3: datetime(2024, 12, 10, 12, tzinfo=UTC),
    4: datetime(2024, 12, 10, 23, 59, 59, 999999, tzinfo=UTC),
    5: datetime(2024, 12, 11, tzinfo=UTC),
}


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (None, None, [5, 4, 3, 2, 1]),
        ("2024-12-10", None, [5, 4, 3, 2]),
        (None, "2024-12-10", [4, 3, 2, 1]),
        ("2024-12-10", "2024-12-10", [4, 3, 2]),
        ("20241210", "20241210", [4, 3, 2]),
        ("2024-12-10T12:00:00Z", "2024-12-10T12:00:00Z", [3]),
        ("2024-12-10T12:00:00", "2024-12-10T12:00", [3]),
        ("2024-12-10T12:00:01Z", "2024-12-11T00:00:00Z", [5, 4]),
        ("2024-12-10T14:00:00+02:00", "2024-12-10T07:00:00-05:00", [3]),
        ("2024-12-11T01:00:00+02:00", None, [5, 4]),
        (None, "2024-12-10T01:30:00+02:00", []),
        (None, "2024-12-10T00:00:00", [2, 1]),
        ("2024-12-12", None, []),
        ("0001-01-01", "9999-12-30", [5, 4, 3, 2, 1]),
        ("0001-01-01", "9999-12-31", [5, 4, 3, 2, 1]),
        ("2024-12-10", "9999-12-31T23:59:59Z", [5, 4, 3, 2]),
    ],
)
def test_between_dates(database: Database, start: str | None, end: str | None, expected: list[int]) -> None:
    insert(database, [row(seq, at=at) for seq, at in TIMES.items()])
    assert seqs(page(database, start_date=start, end_date=end)) == expected


def test_an_end_before_the_start_is_refused(database: Database) -> None:
    with pytest.raises(HistoryError, match="end_date must not be before start_date"):
        page(database, start_date="2024-12-11", end_date="2024-12-10")


@pytest.mark.parametrize("field", ["start_date", "end_date"])
@pytest.mark.parametrize(
    "value", ["", "yesterday", "2024-13-01", "2024-02-30", "10.12.2024", "2024-12-10T25:00", "0001-01-01T00:00+05:00"]
)
def test_a_bad_date_names_its_field(database: Database, field: str, value: str) -> None:
    with pytest.raises(HistoryError, match=f"^{field} must be an ISO 8601 time such as") as refused:
        page(database, **{field: value})
    assert (refused.value.detail.code, refused.value.detail.field) == ("invalid", field)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1733832000, None, [5, 4, 3]),
        ("1733832000000", None, [5, 4, 3]),
        (None, 1733832000.0, [3, 2, 1]),
        ("2024-12-10 14:00:00 02:00", None, [5, 4, 3]),  # a plus that was not written as %2B
        ("2024-12-10T14:00:00 0200", "2024-12-10 12:00:00 00:00", [3]),
    ],
)
def test_times_in_other_forms(database: Database, start: str | float, end: str | float, expected: list[int]) -> None:
    insert(database, [row(seq, at=at) for seq, at in TIMES.items()])
    assert seqs(page(database, start_date=start, end_date=end)) == expected


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": -1}, "limit"),
        ({"limit": 1001}, "limit"),
        ({"limit": "10"}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"device_id": "a.b"}, "device_id"),
        ({"device_id": "x" * 65}, "device_id"),
        ({"start_date": True}, "start_date"),
        ({"device": "d"}, "device"),
    ],
)
def test_a_request_that_cannot_be_read_names_the_field(request_: object, field: str) -> None:
    with pytest.raises(HistoryError, match=field) as refused:
        parse_request(request_)
    assert (refused.value.detail.code, refused.value.detail.field) == ("invalid", field)


@pytest.mark.parametrize("request_", [[], "limit=10"])
def test_a_request_that_is_no_object(request_: object) -> None:
    with pytest.raises(HistoryError, match="must be a JSON object") as refused:
        parse_request(request_)
    assert (refused.value.detail.code, refused.value.detail.field) == ("wrong_type", None)


def test_what_can_be_read() -> None:
    assert parse_request(None) == parse_request({}) == HistoryRequest(limit=100)
    assert parse_request({"limit": 1.0, "device_id": "d"}) == HistoryRequest(limit=1, device_id="d")
    assert parse_request({"limit": None}) == HistoryRequest(limit=100)
    assert parse_request({"limit": 1000, "start_date": "2024-12-10"}).limit == 1000


def test_a_reading_is_on_the_frontends_scale(database: Database) -> None:
    flags = "clock_unsynced,warming_up,no_temp"
    insert(
        database,
        [row(1, temp=None, quality=flags, stress_level="elevated", confidence=0.4256789, stress_probability=0.4256789)],
    )
    (reading,) = page(database)
    assert reading == NewSensorData(
        id=1,
        timestamp=NOON + timedelta(seconds=1),
        hr=61.0,
        temp=None,
        eda=0.4,
        stress_level="elevated",
        confidence=42.57,
        device_id="d",
        stress_probability=0.4256789,
        quality=("clock_unsynced", "warming_up", "no_temp"),
    )
    assert msgspec.to_builtins(reading)["timestamp"] == "2024-12-10T12:00:01Z"


def test_no_quality_is_empty(database: Database) -> None:
    insert(database, [row(1)])
    assert page(database)[0].quality == ()
    assert page(database)[0].confidence == 85.0


def replace_by_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def test_the_state_is_ok_or_says_why_not(tmp_path: Path) -> None:
    path = tmp_path / "a.db"

    async def main() -> None:
        with Database(f"sqlite:///{path}") as database:
            async with History(database) as history:
                assert await history.state() == "ok"
                database.close()
                replace_by_a_folder(path)
                assert await history.state() == "unable to open database file"

    run(main)


def test_a_database_that_says_nothing_is_no_state_to_wait_for() -> None:
    async def main() -> None:
        with fast_postgres() as server, Database(server.create()) as database:
            async with History(database) as history:
                assert await history.state() == "ok"
                server.signal(signal.SIGSTOP)
                try:
                    assert await history.state() == "does not answer"
                finally:
                    server.signal(signal.SIGCONT)
                await until_ok(history)

    run(main)


async def until_ok(history: History) -> None:
    while await history.state() != "ok":
        pass


def test_the_record_is_not_changed_by_reading(database: Database) -> None:
    insert(database, [row(1)])
    page(database)
    with database.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM history_stress")).scalar_one() == 1
