"""Rollups and what is made of them; pages by cursor; what came after a reading. On both databases."""

import random
import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from broker.contract import BUCKETS_MAX, SENSORS, HistoryBucket, HistoryData
from storage.database import Database
from storage.history import History, HistoryError, parse_request
from storage.readings import insert_readings, rejected_one_by_one
from storage.revisions import MIGRATIONS
from storage.rollups import WIDTHS_S
from tests.integration.storage.test_history import insert, seqs
from tests.support.mqtt.aio import run
from tests.support.rows import NOON, row

DAY = timedelta(days=1)


def asked(database: Database, devices: set[str] | None = None, **request: Any) -> HistoryData:
    found: list[HistoryData] = []

    async def main() -> None:
        async with History(database) as history:
            found.append(await history.answer(parse_request(request), devices))

    run(main)
    return found[0]


def buckets(database: Database, resolution: str, **request: Any) -> Sequence[HistoryBucket]:
    return asked(database, resolution=resolution, **request).buckets


# --- rollups are exactly what is in the record


def kept(connection: Connection) -> list[tuple[Any, ...]]:
    query = "SELECT * FROM rollups ORDER BY device_id, width_s, start_s"
    return [rounded(one) for one in connection.execute(text(query))]


def rounded(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(round(value, 6) if isinstance(value, float) else value for value in values)


def counted_anew(connection: Connection) -> list[tuple[Any, ...]]:
    """The same from the readings, in the plainest way."""
    found: dict[tuple[str, int, int], list[dict[str, Any]]] = {}
    for one in connection.execute(text("SELECT * FROM history_stress")).mappings():
        time = one["timestamp"]
        seconds = (datetime.fromisoformat(f"{time}+00:00") if isinstance(time, str) else time).timestamp()
        for width_s in WIDTHS_S:
            key = (one["device_id"], width_s, int(seconds // width_s * width_s))
            found.setdefault(key, []).append(dict(one))
    return [rounded((*key, *_summary(rows))) for key, rows in sorted(found.items())]


def _summary(rows: Sequence[dict[str, Any]]) -> tuple[Any, ...]:
    high = sum(one["stress_level"] == "high_stress" for one in rows)
    summary: list[Any] = [len(rows), high, sum(one["stress_probability"] for one in rows)]
    for sensor in SENSORS:
        values = [one[sensor] for one in rows if one[sensor] is not None]
        summary += [len(values), float(sum(values)), min(values, default=None), max(values, default=None)]
    return tuple(summary)


READINGS = st.lists(
    st.fixed_dictionaries(
        {
            "device_id": st.sampled_from(["a", "b"]),
            "seq": st.integers(0, 30),
            "at": st.integers(-7_300, 7_300),
            "hr": st.none() | st.sampled_from([60.0, 71.5, 99.25]),
            "eda": st.none() | st.sampled_from([0.0, 0.5]),
            "stress_level": st.sampled_from(["normal", "high_stress"]),
        }
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(transactions=st.lists(READINGS, max_size=5))
def test_rollups_are_the_readings_however_these_came(database: Database, transactions: Sequence[Any]) -> None:
    with database.writer.begin() as connection:
        connection.execute(text("DELETE FROM history_stress"))
        connection.execute(text("DELETE FROM rollups"))
    stored: set[tuple[str, int]] = set()
    for transaction in transactions:
        fresh = {(one["device_id"], one["seq"]): one for one in transaction}
        rows = [
            row(**{**one, "at": NOON + timedelta(seconds=one["at"])}) for key, one in fresh.items() if key not in stored
        ]
        stored |= fresh.keys()
        with database.writer.begin() as connection:
            insert_readings(connection, rows)
    with database.reader.connect() as connection:
        assert kept(connection) == counted_anew(connection)


def test_a_reading_that_is_refused_is_not_counted(database: Database) -> None:
    broken = row(1, stress_level=None)
    with database.writer.begin() as connection:
        assert len(rejected_one_by_one(connection, [row(0), broken, row(2)])) == 1
    with database.writer.connect() as connection:
        transaction = connection.begin()
        insert_readings(connection, [row(3)])
        transaction.rollback()
        assert kept(connection) == counted_anew(connection)


def test_the_migration_fills_them_from_what_is_there(database: Database) -> None:
    some = random.Random(5)
    times = [NOON + timedelta(seconds=some.uniform(-9_000, 9_000)) for _ in range(200)]
    insert(database, [row(seq, at=at, device_id="ab"[seq % 2], hr=None) for seq, at in enumerate(times)])
    with database.reader.connect() as connection:
        before = kept(connection)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    for step, revision in ((command.downgrade, "0004"), (command.upgrade, "head")):
        with database.writer.begin() as connection:
            config.attributes["connection"] = connection
            step(config, revision)
    with database.reader.connect() as connection:
        assert kept(connection) == before


# --- overviews


def test_a_bucket_says_least_mean_most_and_the_share_of_high_stress(database: Database) -> None:
    levels = ["normal"] * 8 + ["high_stress"] * 2
    insert(database, [row(seq, hr=60.0 + seq, temp=None, stress_level=level) for seq, level in enumerate(levels)])
    (bucket,) = buckets(database, "hour")
    assert bucket.start == NOON
    assert bucket.count == 10
    assert bucket.hr is not None
    assert (bucket.hr.min, bucket.hr.mean, bucket.hr.max) == (60, 64.5, 69)
    assert bucket.temp is None
    assert bucket.high_stress == 0.2
    assert bucket.stress_probability == pytest.approx(0.15)


@pytest.mark.parametrize(("resolution", "width"), [("minute", 60), ("hour", 3_600), ("day", 86_400)])
def test_every_reading_is_in_the_bucket_of_its_time(database: Database, resolution: str, width: int) -> None:
    times = [NOON + timedelta(seconds=at) for at in (-61, -1, 0, 59.999, 60, 3_599, 3_600, 80_000)]
    insert(database, [row(seq, at=at) for seq, at in enumerate(times)])
    found = asked(database, resolution=resolution)
    assert found.bucket_s == width
    assert {one.start.timestamp(): one.count for one in found.buckets} == {
        start: sum(time.timestamp() // width * width == start for time in times)
        for start in {time.timestamp() // width * width for time in times}
    }


def test_the_range_counts_and_the_devices(database: Database) -> None:
    insert(database, [row(seq, device_id="ab"[seq % 2], at=NOON + seq * DAY) for seq in range(10)])
    assert [one.start for one in buckets(database, "day", start_date="2024-12-12", end_date="2024-12-14")] == [
        (NOON + at * DAY).replace(hour=0) for at in (2, 3, 4)
    ]
    assert len(buckets(database, "day", device_id="a")) == 5
    assert len(asked(database, {"a"}, resolution="day").buckets) == 5
    assert asked(database, {"a"}, resolution="day", device_id="b").buckets == ()
    assert asked(database, set(), resolution="day").buckets == ()
    assert buckets(database, "day", device_id="nobody") == ()


def test_auto_draws_any_range_in_one_screenful(database: Database) -> None:
    for days, expected_s in ((0.5, 60), (3, 300), (25, 3_600), (365, 86_400), (10_000, 7 * 86_400)):
        end = NOON + days * DAY
        found = asked(database, resolution="auto", start_date=NOON.isoformat(), end_date=end.isoformat())
        assert found.bucket_s in (expected_s, 4 * 3_600), days
        assert days * 86_400 / (found.bucket_s or 1) < BUCKETS_MAX
    with pytest.raises(HistoryError, match=str(BUCKETS_MAX)[0]) as refused:
        asked(database, resolution="minute", start_date="2024-01-01", end_date="2024-12-31")
    assert refused.value.detail.field == "resolution"


# --- pages


def test_pages_by_cursor_are_the_whole_also_while_readings_come(database: Database) -> None:
    some = random.Random(3)
    times = [NOON + timedelta(seconds=some.randrange(40)) for _ in range(90)]
    insert(database, [row(seq, at=at) for seq, at in enumerate(times)])
    whole = asked(database, limit=1000).data
    page = asked(database, limit=7)
    found = list(page.data)
    while page.next is not None:
        insert(database, [row(1_000 + len(found), at=NOON + DAY)])  # newer: it belongs to no page that is still to come
        page = asked(database, limit=7, cursor=page.next)
        found += page.data
    assert tuple(found) == whole


@pytest.mark.parametrize("cursor", ["x", "", "MjAyNA==", "bm93IDE=", "=" * 80, "\x00", "MjAyNC0xMi0xMFQxMjowMDowMCAx"])
def test_a_cursor_that_is_none_is_refused_by_name(database: Database, cursor: str) -> None:
    with pytest.raises(HistoryError, match="cursor") as refused:
        asked(database, cursor=cursor)
    assert refused.value.detail.field == "cursor"


def test_what_came_after_a_reading_is_exactly_that(database: Database) -> None:
    insert(database, [row(seq, at=NOON - timedelta(seconds=seq), device_id="ab"[seq % 2]) for seq in range(50)])
    ids = [one.id for one in asked(database, limit=1000, after_id=0).data]
    assert ids == sorted(ids)
    assert len(ids) == 50
    found, after = [], ids[9]
    while page := asked(database, limit=8, after_id=after).data:
        found += [one.id for one in page]
        after = found[-1]
    assert found == ids[10:]
    assert seqs(asked(database, after_id=ids[45], device_id="b").data) == [47, 49]
    assert asked(database, after_id=ids[-1]).data == ()


def test_a_reading_that_is_committed_late_is_not_missed(database: Database) -> None:
    """Of two writers the one with the lower ids may commit later; on SQLite there is one writer."""
    if database.writer.dialect.name == "sqlite":
        pytest.skip("ids are committed in their order")
    with Database(database.url.render_as_string(hide_password=False)) as other:
        with other.writer.connect() as late, late.begin():
            insert_readings(late, [row(0)])
            insert(database, [row(1, device_id="e")])
            answered: list[HistoryData] = []
            reader = threading.Thread(target=lambda: answered.append(asked(database, after_id=0)))
            reader.start()
            reader.join(0.3)
            assert not answered, "it was answered before the lower id was committed"
        reader.join(10)
        assert seqs(answered[0].data) == [0, 1]


# --- indexes make it so


def plan(connection: Connection, query: str) -> str:
    if connection.dialect.name == "sqlite":
        return "\n".join(str(one) for one in connection.execute(text(f"EXPLAIN QUERY PLAN {query}")))
    connection.execute(text("SET enable_seqscan = off"))  # with few rows a scan is right; here it shows what is possible
    return "\n".join(str(one) for one in connection.execute(text(f"EXPLAIN {query}")))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM history_stress ORDER BY timestamp DESC, id DESC LIMIT 100",
        "SELECT * FROM history_stress WHERE device_id = 'd' ORDER BY timestamp DESC, id DESC LIMIT 100",
        "SELECT * FROM history_stress WHERE (timestamp, id) < ('2024-12-10', 5) ORDER BY timestamp DESC, id DESC LIMIT 9",
        "SELECT * FROM history_stress WHERE id > 5 ORDER BY id LIMIT 100",
        "SELECT max(timestamp) FROM history_stress WHERE device_id = 'd'",
        "SELECT start_s FROM rollups WHERE width_s = 3600 AND start_s >= 5 AND start_s < 9 AND device_id = 'd'",
        "SELECT start_s FROM rollups WHERE width_s = 3600 AND start_s >= 5 AND start_s < 9",
    ],
)
def test_no_question_reads_the_whole_record(database: Database, query: str) -> None:
    insert(database, [row(seq) for seq in range(50)])
    with database.reader.connect() as connection:
        found = plan(connection, query)
    assert "Seq Scan" not in found
    assert "SCAN" not in found or "USING INDEX" in found or "USING COVERING INDEX" in found
    assert "TEMP B-TREE FOR ORDER BY" not in found
