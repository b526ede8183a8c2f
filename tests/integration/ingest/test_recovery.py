"""After a restart everything goes on as if there had been none, to the last bit."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from ingest.recovery import recover
from ingest.transaction import store
from models.serving.predictor import Predictor
from storage.database import Database
from storage.device_state import Newest, newest, reset_baseline, reset_done
from storage.outbox import unsent_after
from storage.tables import DeviceState
from tests.support.databases import refuse
from tests.support.pipeline import CLEARED_S, NOW, RAISED_AGAIN_S, RAISED_S, Pipeline, sample, stream

ROWS = "SELECT device_id, boot, seq, timestamp, stress_level, confidence, stress_probability, quality FROM history_stress"
ALERTS = "SELECT id, device_id, raised_id, record_id, state, late, timestamp, stress_probability FROM alerts"
NUMBERS = count()
Group = tuple[float, list[dict[str, Any]]]
"""When a transaction is, in seconds after NOW, and the samples of its one batch."""


def seconds(samples: Sequence[dict[str, Any]]) -> list[Group]:
    return [(one["seq"], [one]) for one in samples]


def batches(samples: Sequence[dict[str, Any]], size: int) -> list[Group]:
    parts = [list(samples[start : start + size]) for start in range(0, len(samples), size)]
    return [(part[-1]["seq"], part) for part in parts]


Outcome = tuple[list[Any], list[Any]]


class Runs:
    """Runs groups, each on a new database; the rows and alerts at the end."""

    def __init__(self, folder: Path, predictor: Predictor) -> None:
        self._folder = folder
        self._predictor = predictor
        self._used = 0

    def outcome(self, groups: Sequence[Group], forget: Iterable[int] = ()) -> Outcome:
        """`forget`: the groups before which all memory is lost."""
        forgotten = set(forget)
        self._used += 1
        with Database(f"sqlite:///{self._folder / f'{self._used}.db'}") as database:
            pipeline = Pipeline(database, self._predictor)
            for number, (at_s, samples) in enumerate(groups):
                if number in forgotten:
                    pipeline.restart()
                pipeline.send(samples, at=NOW + timedelta(seconds=at_s))
            return pipeline.rows(ROWS + " ORDER BY id"), pipeline.rows(ALERTS + " ORDER BY id")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, predictor: Predictor) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"), predictor)


GROUP_S = 5
GROUPS = batches(stream(RAISED_AGAIN_S + 10), GROUP_S)


@pytest.fixture(scope="module")
def uninterrupted(runs: Runs) -> Outcome:
    return runs.outcome(GROUPS)


def test_without_a_restart(uninterrupted: Outcome) -> None:
    rows, alerts = uninterrupted
    assert len(rows) == RAISED_AGAIN_S + 10
    assert [row[2:5] for row in alerts] == [
        (None, RAISED_S + 1, "raised"),
        (1, CLEARED_S + 1, "cleared"),
        (None, RAISED_AGAIN_S + 1, "raised"),
    ]


@pytest.mark.parametrize(
    "forget_s",
    [
        pytest.param([5], id="after the first"),
        pytest.param([60], id="before the second snapshot"),
        pytest.param([65], id="after it"),
        pytest.param([RAISED_S], id="before the alert"),
        pytest.param([RAISED_S + 5], id="raised"),
        pytest.param([RAISED_S + 70], id="raised, a snapshot later"),
        pytest.param([CLEARED_S], id="before it is cleared"),
        pytest.param([CLEARED_S + 5], id="cleared"),
        pytest.param(range(0, 600, 45), id="often"),
        pytest.param(range(0, 600, 5), id="always"),
    ],
)
def test_a_restart_changes_nothing(runs: Runs, uninterrupted: Outcome, forget_s: Sequence[int]) -> None:
    assert runs.outcome(GROUPS, [second // GROUP_S for second in forget_s]) == uninterrupted


def test_nor_does_one_between_single_samples(runs: Runs) -> None:
    groups = seconds(stream(130))
    assert runs.outcome(groups, range(0, 130, 7)) == runs.outcome(groups)


def test_nor_with_a_backfill_between(runs: Runs) -> None:
    """Old samples, older ones again, samples of one second, a gap: every lane is rebuilt."""
    old = batches(stream(RAISED_AGAIN_S, start=NOW - timedelta(hours=2), boot="old"), 25)
    older = batches(stream(120, start=NOW - timedelta(hours=5), boot="older"), 40)
    groups: list[Group] = []
    for number, (at_s, part) in enumerate(batches(stream(RAISED_AGAIN_S + 10), 10)):
        groups.append((at_s, part))
        if 10 <= number < 20:
            groups.append((at_s, [{**part[-1], "boot": "twice"}]))
        if number % 2 and number // 2 < len(old):
            groups.append((at_s, old[number // 2][1]))
    groups += [(RAISED_AGAIN_S + 10, part) for _, part in older]
    groups.append((9_000, [sample(1, boot="gap", at=NOW + timedelta(seconds=9_000))]))
    expected = runs.outcome(groups)
    assert len(expected[1]) >= 5
    assert {row[5] for row in expected[1]} == {0, 1}
    for forget in (range(0, len(groups), 13), range(len(groups))):
        assert runs.outcome(groups, forget) == expected


def test_nor_with_sensors_that_lose_contact_and_clocks_that_are_not_set(runs: Runs) -> None:
    groups: list[Group] = []
    for at_s, part in batches(stream(RAISED_S + 60), 5):
        for one in part:
            one.update({"hr": None} if one["seq"] % 40 < 10 else {"eda": None} if one["seq"] % 50 < 5 else {})
            if one["seq"] % 30 == 3:
                one["timestamp"] = None
        groups.append((at_s + 0.25, part))
    assert runs.outcome(groups, range(0, len(groups), 7)) == runs.outcome(groups)


def test_nor_one_after_a_resend(runs: Runs, uninterrupted: Outcome) -> None:
    resent = [*GROUPS[:20], (GROUPS[19][0], GROUPS[18][1]), *GROUPS[20:]]
    assert runs.outcome(resent, [21]) == uninterrupted


@pytest.fixture(scope="module")
def one_worker(runs: Runs) -> tuple[list[Group], Outcome]:
    """Samples one by one, and what one worker makes of them."""
    groups = seconds(stream(RAISED_S + 60))
    return groups, runs.outcome(groups)


@pytest.mark.parametrize("turn", [1, 2, 7, 30])
def test_nor_do_workers_that_take_a_device_over_from_each_other(
    database: Database, predictor: Predictor, one_worker: tuple[list[Group], Outcome], turn: int
) -> None:
    """What a worker remembers of a device is worth nothing once another one has stored more of it."""
    groups, (expected_rows, expected_alerts) = one_worker
    workers = [Pipeline(database, predictor) for _ in range(3)]
    for number, (at_s, samples) in enumerate(groups):
        workers[number // turn % 3].send(samples, at=NOW + timedelta(seconds=at_s))
    key = "SELECT seq, stress_level, stress_probability, quality FROM history_stress ORDER BY id"
    assert workers[0].rows(key) == [(row[2], row[4], row[6], row[7]) for row in expected_rows]
    alerts = workers[0].rows("SELECT id, raised_id, state, stress_probability FROM alerts ORDER BY id")
    assert alerts == [(row[0], row[2], row[4], row[7]) for row in expected_alerts]


def test_nor_does_a_commit_whose_answer_was_lost(pipeline: Pipeline, predictor: Predictor, runs: Runs) -> None:
    """The connection ends between the commit and its confirmation: all is tried again, and is there already."""
    groups = batches(stream(RAISED_S + 60), 5)
    expected_rows, expected_alerts = runs.outcome(groups)
    for number, (at_s, samples) in enumerate(groups):
        decoded = pipeline.decoded(samples, at=NOW + timedelta(seconds=at_s))
        if number % 3 == 0:
            with pipeline.database.writer.begin() as connection:
                store(connection, decoded, pipeline.devices, predictor)
        published = pipeline.store(decoded)
        assert published.duplicates == (5 if number % 3 == 0 else 0)
    key = "SELECT seq, stress_probability FROM history_stress ORDER BY id"
    assert pipeline.rows(key) == [(row[2], row[6]) for row in expected_rows]
    with pipeline.database.reader.connect() as connection:
        assert len(unsent_after(connection, 0, 100)) == len(expected_alerts) == 1


STEPS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.2, 1.0, 1.0, 1.0, 5.0, 29.0, 31.0, 400.0, -1.0, -40.0, -3_600.0]),  # seconds of event time
        st.sampled_from([1.0, 1.0, 1.0, -7_200.0]),  # seconds of the server's clock
        st.sampled_from([60.0, 75.0, 130.0, None]),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, group=st.integers(1, 6))
def test_the_state_is_the_same_from_memory_and_from_the_record(
    pipeline: Pipeline, steps: list[tuple[float, float, float | None]], group: int
) -> None:
    device_id = f"d{next(NUMBERS)}"
    at_s, server_s = 0.0, 0.0
    waiting: list[dict[str, Any]] = []
    for seq, (step_s, clock_s, hr) in enumerate(steps):
        at_s, server_s = at_s + step_s, server_s + clock_s
        waiting.append(sample(seq, at=NOW + timedelta(seconds=at_s), hr=hr))
        if len(waiting) == group or seq == len(steps) - 1:
            published = pipeline.send(*waiting, device_id=device_id, at=NOW + timedelta(seconds=server_s))
            assert {one["status"] for one in published.answers} == {"success"}
            waiting = []
    committed = pipeline.devices.get(device_id)
    assert committed is not None
    with pipeline.database.reader.connect() as connection:
        again = recover(connection, device_id, pipeline.predictor.policy, committed.last_id)
    assert again.to_bytes() == committed.to_bytes()
    assert again.saved_s == committed.saved_s


def test_a_snapshot_is_taken_once_a_minute_in_the_same_transaction(pipeline: Pipeline) -> None:
    taken: list[tuple[int, Any]] = []
    for at_s, samples in seconds(stream(150)):
        pipeline.send(samples, at=NOW + timedelta(seconds=at_s))
        (row,) = pipeline.select(select(DeviceState.last_id, DeviceState.saved_at))
        if not taken or taken[-1][1] != row[1]:
            taken.append((row[0], row[1]))
    assert taken == [
        (1, NOW),
        (61, NOW + timedelta(minutes=1)),
        (121, NOW + timedelta(minutes=2)),
    ]


def test_after_a_restart_the_minute_goes_on(pipeline: Pipeline) -> None:
    for at_s, samples in seconds(stream(70)):
        if at_s == 30:
            pipeline.restart()
        pipeline.send(samples, at=NOW + timedelta(seconds=at_s))
    assert pipeline.rows("SELECT last_id FROM device_state") == [(61,)]


@pytest.mark.parametrize("damage", ["00", "", "920190"])
def test_a_snapshot_that_cannot_be_read_starts_the_device_anew(
    pipeline: Pipeline, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline.send(stream(100), at=NOW + timedelta(seconds=100))
    with pipeline.database.writer.begin() as connection:
        connection.execute(update(DeviceState).values(state=bytes.fromhex(damage)))
    pipeline.restart()
    published = pipeline.send(sample(100, at=NOW + timedelta(seconds=101)), at=NOW + timedelta(seconds=101))
    assert published.answer["status"] == "success"
    assert published.readings[0]["quality"] == ["warming_up"]
    assert "d starts anew" in caplog.text


def test_a_row_that_the_database_refused_leaves_no_trace_in_the_state(pipeline: Pipeline) -> None:
    """State follows the commit: what is in no row must be in no feature, or a restart would change the predictions."""
    refuse(pipeline.database, 222)
    samples = stream(100)
    for device_id, wild in (("refused", [sample(999, at=NOW + timedelta(seconds=79.5), hr=222, eda=50)]), ("plain", [])):
        for at_s, part in batches(samples, 20):
            extra = wild if at_s == 79 else []
            pipeline.send([*part, *extra], device_id=device_id, at=NOW + timedelta(seconds=at_s), isolate=True)
    query = "SELECT seq, stress_probability FROM history_stress WHERE device_id = '{}' ORDER BY id"
    assert pipeline.rows(query.format("refused")) == pipeline.rows(query.format("plain"))


def test_a_new_baseline_begins_once_and_survives_a_restart(pipeline: Pipeline) -> None:
    """Asked for while a person's alert stands: the alert stays, what is usual goes, and the record tells no other story."""
    samples = stream(RAISED_S + 40)
    before, asked, after = samples[: RAISED_S + 5], NOW + timedelta(seconds=RAISED_S + 5), samples[RAISED_S + 5 :]
    pipeline.send(before, at=asked)
    with pipeline.database.writer.begin() as connection:
        reset_baseline(connection, "d", asked)
    pipeline.send(after[0], at=asked)
    memory = pipeline.devices.get("d")
    assert memory is not None
    assert (memory.live.features.age_s, memory.live.alert.raised, memory.live.alert_id) == (0, True, 1)
    assert memory.live.features.usual()["hr_sd"] == 0
    assert pipeline.count("baseline_resets") == 0
    pipeline.restart()
    pipeline.send(after[1:], at=NOW + timedelta(seconds=RAISED_S + 40))
    memory = pipeline.devices.get("d")
    assert memory is not None
    assert memory.live.features.age_s == len(after) - 1


def test_a_new_baseline_that_is_asked_for_meanwhile_is_still_due(pipeline: Pipeline) -> None:
    """A transaction knows what was asked before it; what was asked since is for the next one."""
    pipeline.send(sample(1), at=NOW)
    with pipeline.database.writer.begin() as connection:
        reset_baseline(connection, "d", NOW)
        reset_baseline(connection, "d", NOW + timedelta(seconds=1))
        reset_done(connection, "d", NOW)
        assert newest(connection, ["d", "e"]) == {"d": Newest(1, NOW + timedelta(seconds=1)), "e": Newest(0, None)}


def test_a_failed_transaction_begins_no_new_baseline(pipeline: Pipeline) -> None:
    pipeline.send(stream(100), at=NOW + timedelta(seconds=100))
    with pipeline.database.writer.begin() as connection:
        reset_baseline(connection, "d", NOW)
    with pipeline.database.writer.connect() as connection, connection.begin() as transaction:
        store(connection, pipeline.decoded(sample(100)), pipeline.devices, pipeline.predictor)
        transaction.rollback()
    memory = pipeline.devices.get("d")
    assert memory is not None
    assert memory.live.features.age_s == 99
    assert pipeline.count("baseline_resets") == 1
