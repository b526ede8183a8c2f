"""Devices that send each channel in messages of its own, through transactions: nothing is lost for the alert."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from ingest.recovery import recover
from models.serving.predictor import Predictor
from storage.database import Database
from tests.support.pipeline import NOW, Pipeline, sample, stream

SECONDS = 400
SENSORS = ("hr", "temp", "eda")


def batches(
    samples: Sequence[dict[str, Any]], seconds: int, order: Sequence[str]
) -> list[tuple[float, list[dict[str, Any]]]]:
    """When each batch is sent, and its samples: so many seconds of one channel, then the same seconds of the next."""
    found = []
    for start in range(0, len(samples), seconds):
        part = samples[start : start + seconds]
        for channel in order:
            absent = {name: None for name in SENSORS if name != channel}
            found.append((part[-1]["seq"] + 1.0, [{**one, **absent, "boot": channel} for one in part]))
    return found


def alerts(pipeline: Pipeline, groups: Sequence[tuple[float, Any]]) -> list[tuple[str, float, bool]]:
    """Kind, seconds of event time, and whether it is late, of each alert."""
    found = []
    for at_s, payload in groups:
        published = pipeline.send(payload, at=NOW + timedelta(seconds=at_s))
        assert published.answer["status"] == "success"
    for state, at, late in pipeline.rows("SELECT state, timestamp, late FROM alerts ORDER BY id"):
        moment = at if hasattr(at, "timestamp") else NOW.fromisoformat(str(at)).replace(tzinfo=NOW.tzinfo)
        found.append((state, (moment - NOW).total_seconds(), bool(late)))
    return found


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, predictor: Predictor) -> list[tuple[str, float, bool]]:
    """With all channels in one message a second."""
    with Database(f"sqlite:///{tmp_path_factory.mktemp('together') / 'one.db'}") as database:
        found = alerts(Pipeline(database, predictor), [(one["seq"], one) for one in stream(SECONDS)])
    assert [(state, late) for state, _, late in found] == [("raised", False), ("cleared", False)]
    return found


@pytest.mark.parametrize("order", [("hr", "temp", "eda"), ("eda", "hr", "temp"), ("temp", "eda", "hr")], ids="-".join)
def test_a_message_for_each_channel_gives_the_same_alerts(
    pipeline: Pipeline, order: Sequence[str], expected: list[tuple[str, float, bool]]
) -> None:
    found = alerts(pipeline, batches(stream(SECONDS), 1, order))
    assert [(state, late) for state, _, late in found] == [(state, late) for state, _, late in expected]
    assert [at_s for _, at_s, _ in found] == pytest.approx([at_s for _, at_s, _ in expected], abs=1)


@pytest.mark.parametrize("seconds", [2, 5, 10, 20])
@pytest.mark.parametrize("order", [("eda", "hr", "temp"), ("hr", "temp", "eda")], ids="-".join)
def test_batches_of_one_channel_each_give_the_same_alerts_somewhat_later(
    pipeline: Pipeline, seconds: int, order: Sequence[str], expected: list[tuple[str, float, bool]]
) -> None:
    """The other channels are not there yet when one is judged: what is said comes later, by up to three batches."""
    found = alerts(pipeline, batches(stream(SECONDS), seconds, order))
    assert [(state, late) for state, _, late in found] == [(state, late) for state, _, late in expected]
    assert [at_s for _, at_s, _ in found] == pytest.approx([at_s for _, at_s, _ in expected], abs=3 * seconds)
    device = pipeline.devices.get("d")
    assert device is not None
    assert device.backfill is None


def test_in_one_transaction_or_in_many_after_restarts_it_is_the_same(tmp_path: Any, predictor: Predictor) -> None:
    groups = batches(stream(200), 10, ("eda", "hr", "temp"))
    outcomes = []
    for name, restarts in (("one", False), ("other", True)):
        with Database(f"sqlite:///{tmp_path / name}.db") as database:
            pipeline = Pipeline(database, predictor)
            for at_s, payload in groups:
                if restarts:
                    pipeline.restart()
                pipeline.send(payload, at=NOW + timedelta(seconds=at_s))
            key = "SELECT boot, seq, stress_level, stress_probability, quality FROM history_stress ORDER BY id"
            outcomes.append(pipeline.rows(key))
            device = pipeline.devices.get("d")
            assert device is not None
            with database.reader.connect() as connection:
                again = recover(connection, "d", predictor.policy, device.last_id)
            assert again.to_bytes() == device.to_bytes()
    assert outcomes[0] == outcomes[1]


def test_old_data_of_all_channels_at_once_never_moves_the_live_stream(pipeline: Pipeline) -> None:
    samples = stream(60)
    pipeline.send(samples, at=NOW + timedelta(seconds=60))
    before = pipeline.devices.get("d")
    assert before is not None
    pipeline.send(sample(30, boot="again", at=NOW + timedelta(seconds=45.5)), at=NOW + timedelta(seconds=61))
    after = pipeline.devices.get("d")
    assert after is not None
    assert after.live.features.to_bytes() == before.live.features.to_bytes()
    assert after.backfill is not None
