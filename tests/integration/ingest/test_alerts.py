"""Alerts that samples raise and clear: their rows and messages."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from storage.outbox import unsent_after
from storage.tables import Alert
from tests.support.pipeline import CLEARED_S, NOW, RAISED_AGAIN_S, RAISED_S, Pipeline, Published, sample, stream

LONG_S = RAISED_AGAIN_S + 10
ALERTS = select(
    *(Alert.id, Alert.device_id, Alert.raised_id, Alert.record_id, Alert.state, Alert.level, Alert.late, Alert.timestamp)
).order_by(Alert.id)


def moment(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()[:19] + "Z"


def stored_at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def one_by_one(pipeline: Pipeline, samples: Sequence[dict[str, Any]], *, device_id: str = "d") -> Iterator[Published]:
    """Each as it is taken."""
    for one in samples:
        yield pipeline.send(one, device_id=device_id, at=NOW + timedelta(seconds=one["seq"]))


def test_an_alert_is_raised_and_cleared_and_raised_again(pipeline: Pipeline) -> None:
    samples = stream(LONG_S)
    published = {at: one.alerts[0] for at, one in enumerate(one_by_one(pipeline, samples)) if one.alerts}
    assert list(published) == [RAISED_S, CLEARED_S, RAISED_AGAIN_S]
    raised, cleared, again = published.values()
    assert {name: raised[name] for name in raised if name not in ("confidence", "message")} == {
        "type": "stress_alert",
        "level": "high_stress",
        "sensor_data": {channel: samples[RAISED_S][channel] for channel in ("hr", "temp", "eda")},
        "device_id": "d",
        "timestamp": moment(RAISED_S),
        "alert_id": 1,
        "state": "raised",
        "late": False,
    }
    assert raised["message"].startswith("High stress level detected")
    assert (cleared["state"], cleared["level"], cleared["alert_id"], cleared["late"]) == ("cleared", "normal", 1, False)
    assert (again["state"], again["alert_id"]) == ("raised", 3)
    policy = pipeline.predictor.policy
    assert 100 * policy.raise_at <= raised["confidence"] <= 100
    assert 100 * (1 - policy.clear_at) <= cleared["confidence"] <= 100
    assert pipeline.select(ALERTS) == [
        (1, "d", None, RAISED_S + 1, "raised", "high_stress", False, stored_at(RAISED_S)),
        (2, "d", 1, CLEARED_S + 1, "cleared", "normal", False, stored_at(CLEARED_S)),
        (3, "d", None, RAISED_AGAIN_S + 1, "raised", "high_stress", False, stored_at(RAISED_AGAIN_S)),
    ]
    smoothed = [row[0] for row in pipeline.rows("SELECT stress_probability FROM alerts ORDER BY id")]
    assert raised["confidence"] == round(100 * smoothed[0], 2)
    assert cleared["confidence"] == round(100 * (1 - smoothed[1]), 2)


def test_an_alert_is_in_the_outbox_from_the_same_transaction_on(pipeline: Pipeline) -> None:
    samples = stream(CLEARED_S + 1)
    outcome = pipeline.send(samples, at=NOW + timedelta(seconds=CLEARED_S)).outcome
    assert [json.loads(one.payload)["state"] for one in outcome.alerts] == ["raised", "cleared"]
    assert {(one.device_id, one.topic) for one in outcome.alerts} == {("d", "stress/v1/d/stress_alert")}
    with pipeline.database.reader.connect() as connection:
        assert unsent_after(connection, 0, 9) == outcome.alerts


def test_a_resend_alarms_nobody_again(pipeline: Pipeline) -> None:
    samples = stream(RAISED_S + 1)
    at = NOW + timedelta(seconds=RAISED_S)
    assert len(pipeline.send(samples, at=at).alerts) == 1
    assert pipeline.send(samples, at=at).alerts == []
    assert pipeline.count("alerts") == 1


@pytest.mark.parametrize(("age_s", "late"), [(0, False), (600, False), (600.001, True), (86400, True)])
def test_an_alert_in_data_older_than_ten_minutes_is_late(pipeline: Pipeline, age_s: float, late: bool) -> None:
    published = pipeline.send(stream(RAISED_S + 1), at=NOW + timedelta(seconds=RAISED_S + age_s))
    assert [one["late"] for one in published.alerts] == [late]
    assert [row[6] for row in pipeline.select(ALERTS)] == [late]


def test_what_is_older_than_the_newest_moves_no_live_alert(pipeline: Pipeline) -> None:
    """Calm from before, in any amount, does not clear; stress from before does not raise what is calm."""
    samples = stream(LONG_S)
    live = list(one_by_one(pipeline, samples[: RAISED_S + 20]))
    assert [alert["state"] for published in live for alert in published.alerts] == ["raised"]
    before = pipeline.devices.get("d")
    assert before is not None
    state = (before.live.alert, before.live.alert_id, before.live.features.to_bytes())
    calm = [sample(t, boot="old", at=NOW + timedelta(seconds=t - 1000)) for t in range(600)]
    assert pipeline.send(calm, at=NOW + timedelta(seconds=RAISED_S + 20)).alerts == []
    after = pipeline.devices.get("d")
    assert after is not None
    assert (after.live.alert, after.live.alert_id, after.live.features.to_bytes()) == state
    rest = list(one_by_one(pipeline, samples[RAISED_S + 20 :]))
    assert [(alert["state"], alert["timestamp"]) for published in rest for alert in published.alerts] == [
        ("cleared", moment(CLEARED_S)),
        ("raised", moment(RAISED_AGAIN_S)),
    ]


@pytest.mark.parametrize("behind_s", [300, 3000])
def test_an_alert_from_the_backfill_is_late_however_young(pipeline: Pipeline, behind_s: int) -> None:
    newest = NOW + timedelta(seconds=LONG_S)
    pipeline.send(sample(1, boot="now", at=newest), at=newest)
    old = stream(LONG_S, start=NOW + timedelta(seconds=LONG_S - behind_s - LONG_S))
    published = pipeline.send(old[: RAISED_AGAIN_S - 10], at=newest)
    assert [(one["state"], one["late"]) for one in published.alerts] == [("raised", True), ("cleared", True)]
    assert [one["alert_id"] for one in published.alerts] == [1, 1]
    device = pipeline.devices.get("d")
    assert device is not None
    assert not device.live.alert.raised
    assert device.live.alert_id is None


def test_the_live_alert_and_the_backfill_s_have_ids_of_their_own(pipeline: Pipeline) -> None:
    samples = stream(LONG_S)
    list(one_by_one(pipeline, samples[: RAISED_S + 20]))
    received = NOW + timedelta(seconds=RAISED_S + 20)
    old = stream(RAISED_S + 20, start=NOW - timedelta(hours=2), boot="old")
    backfill = pipeline.send(old, at=received)
    assert [(one["state"], one["alert_id"], one["late"]) for one in backfill.alerts] == [("raised", 2, True)]
    rest = [
        alert for published in one_by_one(pipeline, samples[RAISED_S + 20 : CLEARED_S + 1]) for alert in published.alerts
    ]
    assert [(one["state"], one["alert_id"], one["late"]) for one in rest] == [("cleared", 1, False)]
    assert [row[2] for row in pipeline.select(ALERTS)] == [None, None, 1]


def test_devices_do_not_share_an_alert(pipeline: Pipeline) -> None:
    samples = stream(RAISED_S + 1)
    at = NOW + timedelta(seconds=RAISED_S)
    published = Published(
        pipeline.store([*pipeline.decoded(samples, device_id="a", at=at), *pipeline.decoded(samples, device_id="b", at=at)])
    )
    assert [(one["device_id"], one["alert_id"]) for one in published.alerts] == [("a", 1), ("b", 2)]


def test_a_device_that_warms_up_alarms_nobody(pipeline: Pipeline) -> None:
    published = pipeline.send(stream(LONG_S)[RAISED_S : RAISED_S + 60], at=NOW + timedelta(seconds=RAISED_S + 60))
    assert published.alerts == []
    assert all(one["stress_level"] == "normal" and "warming_up" in one["quality"] for one in published.readings)
