"""One transaction on a real database: rows, answers, publications."""

import hashlib
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from broker.contract import MAX_BATCH, NewSensorData
from ingest.decoded_message import DecodedMessage
from ingest.receipts import Publication
from ingest.transaction import store
from models.serving.predictor import Predictor
from storage.tables import HistoryStress
from tests.support.databases import refuse
from tests.support.pipeline import NOW, Pipeline, encoded, sample, stream

READINGS = "SELECT id, device_id, boot, seq, hr FROM history_stress ORDER BY id"
REJECTED = "SELECT device_id, boot, seq, code, field, message, payload, length, sha256 FROM rejected ORDER BY id"


def later(seconds: float) -> Any:
    return NOW + timedelta(seconds=seconds)


def test_the_first_sample(pipeline: Pipeline, predictor: Predictor) -> None:
    published = pipeline.send(sample(1207, at=later(-1)), at=NOW)
    p = pipeline.rows("SELECT stress_probability FROM history_stress")[0][0]
    assert len(published.answer["sha256"]) == 64
    assert published.answer | {"sha256": "of the payload"} == {
        "sha256": "of the payload",
        "status": "success",
        "record_id": 1,
        "stress_prediction": {"label": "normal", "confidence": 1 - p},
        "boot": "boot1",
        "seq": 1207,
        "server_time": "2024-12-10T12:00:00Z",
    }
    assert published.readings == [
        {
            "id": 1,
            "timestamp": "2024-12-10T11:59:59Z",
            "hr": 70.0,
            "temp": 33.5,
            "eda": 0.5,
            "stress_level": "normal",
            "confidence": round(100 * (1 - p), 2),
            "device_id": "d",
            "stress_probability": p,
            "quality": ["warming_up"],
            "reasons": [],
        }
    ]
    assert pipeline.select(select(*HistoryStress.__table__.columns)) == [
        (
            *(1, "d", "boot1", 1207, later(-1), NOW, 70.0, 33.5, 0.5),
            *("normal", 1 - p, p, "warming_up", predictor.version),
        )
    ]
    assert [(one.topic, one.qos) for one in published.outcome.publications] == [
        ("stress/v1/d/data_received", 0),
        ("stress/v1/d/new_sensor_data", 0),
    ]
    assert (published.outcome.stored, published.outcome.duplicates, published.outcome.rejected) == (1, 0, [])


def test_a_resend_later_gets_the_first_record(pipeline: Pipeline) -> None:
    first = pipeline.send(sample(1), at=NOW)
    pipeline.send(sample(2, at=later(1)))
    again = pipeline.send(sample(1), at=later(9))
    assert again.answer == {**first.answer, "duplicate": True, "server_time": "2024-12-10T12:00:09Z"}
    assert again.readings == []
    assert (again.outcome.stored, again.outcome.duplicates) == (0, 1)
    assert pipeline.count("history_stress") == 2
    assert pipeline.count("rejected") == 0


def test_a_resend_after_a_restart_and_with_another_timestamp_gets_the_first_record(pipeline: Pipeline) -> None:
    first = pipeline.send(sample(1))
    pipeline.restart()
    again = pipeline.send(sample(1, at=later(5)))
    assert (again.answer["record_id"], again.answer["duplicate"]) == (first.answer["record_id"], True)
    assert pipeline.count("history_stress") == 1


def test_a_resend_in_the_same_transaction_gets_the_first_record(pipeline: Pipeline) -> None:
    published = pipeline.send(sample(1), sample(2, at=later(1)), sample(1))
    assert [(one["record_id"], one["seq"], one.get("duplicate", False)) for one in published.answers] == [
        (1, 1, False),
        (2, 2, False),
        (1, 1, True),
    ]
    assert published.answers[2]["stress_prediction"] == published.answers[0]["stress_prediction"]
    assert [one["id"] for one in published.readings] == [1, 2]
    assert pipeline.count("history_stress") == 2
    assert (published.outcome.stored, published.outcome.duplicates) == (2, 1)


def test_a_resend_in_the_same_batch_counts_and_is_stored_once(pipeline: Pipeline) -> None:
    published = pipeline.send([sample(1), sample(1), sample(2, at=later(1))])
    assert (published.answer["status"], published.answer["count"], published.answer["record_id"]) == ("success", 3, 2)
    assert "duplicate" not in published.answer
    assert pipeline.count("history_stress") == 2
    again = pipeline.send([sample(1), sample(2, at=later(1))])
    assert (again.answer["count"], again.answer["duplicate"]) == (2, True)
    assert again.readings == []


def test_the_same_key_of_another_device_or_boot_is_another_sample(pipeline: Pipeline) -> None:
    pipeline.send(sample(1), device_id="a")
    pipeline.send(sample(1), device_id="b")
    published = pipeline.send(sample(1, boot="boot2"), device_id="a")
    assert published.answer["status"] == "success"
    assert pipeline.count("history_stress") == 3


@pytest.mark.parametrize("change", [{"hr": 71}, {"hr": None}, {"temp": 33.6}, {"eda": 0.51}, {"eda": None}])
@pytest.mark.parametrize("together", [False, True])
def test_the_same_key_with_other_values_is_a_conflict(pipeline: Pipeline, change: dict[str, Any], together: bool) -> None:
    good, other = sample(1), sample(1, **change)
    if together:
        published = pipeline.send(good, other)
        answer = published.answers[1]
    else:
        pipeline.send(good)
        published = pipeline.send(other)
        answer = published.answer
    assert (answer["status"], answer["error"]["code"], answer["boot"], answer["seq"]) == ("error", "conflict", "boot1", 1)
    assert answer["message"] == answer["error"]["message"]
    assert "record_id" not in answer
    assert [row[4] for row in pipeline.rows(READINGS)] == [70.0]
    ((device_id, boot, seq, code, field, _, payload, length, sha256),) = pipeline.rows(REJECTED)
    assert (device_id, boot, seq, code, field) == ("d", "boot1", 1, "conflict", "seq")
    kept = json.loads(payload)
    assert {name: kept[name] for name in ("hr", "temp", "eda", "boot", "seq")} == {
        name: other[name] for name in ("hr", "temp", "eda", "boot", "seq")
    }
    assert kept["timestamp"].startswith("2024-12-10T12:00:00")
    assert (length, sha256) == (len(payload), hashlib.sha256(payload).hexdigest())
    assert [(device, error.code) for device, error in published.outcome.rejected] == [("d", "conflict")]


def test_a_partial_batch(pipeline: Pipeline) -> None:
    bad = sample(2, hr=900)
    published = pipeline.send([sample(1, at=later(-2)), bad, sample(3, at=later(-1)), sample(4, boot="x y")])
    answer = published.answer
    assert (answer["status"], answer["count"], answer["record_id"]) == ("partial", 2, 2)
    assert (answer["boot"], answer["seq"]) == ("x y", 4)
    assert [(one["index"], one["error"]["code"], one["error"]["field"]) for one in answer["errors"]] == [
        (1, "out_of_range", "hr"),
        (3, "invalid", "boot"),
    ]
    assert (answer["errors"][0]["boot"], answer["errors"][0]["seq"]) == ("boot1", 2)
    assert "error" not in answer
    assert [row[3] for row in pipeline.rows(READINGS)] == [1, 3]
    assert [row[3] for row in pipeline.rows(REJECTED)] == ["out_of_range", "invalid"]
    assert pipeline.rows(REJECTED)[0][6] == json.dumps(bad).encode()


def test_a_stored_sample_with_warnings(pipeline: Pipeline) -> None:
    published = pipeline.send([sample(1), sample(2, hr=0), sample(3, hr=None, heart_rate=70)])
    answer = published.answer
    assert (answer["status"], answer["count"], "errors" in answer) == ("success", 3, False)
    assert [(one["index"], one["boot"], one["seq"], one["error"]["code"]) for one in answer["warnings"]] == [
        (1, "boot1", 2, "no_contact"),
        (2, "boot1", 3, "missing"),
    ]
    assert answer["message"] == answer["warnings"][0]["error"]["message"]
    assert [row[4] for row in pipeline.rows(READINGS)][1:] == [None, None]


def test_a_batch_of_which_nothing_is_good(pipeline: Pipeline) -> None:
    published = pipeline.send([sample(1, hr=900), sample(2, temp="hot")])
    assert (published.answer["status"], published.answer.get("count", 0)) == ("error", 0)
    assert published.answer["error"]["code"] == "out_of_range"
    assert (published.answer["boot"], published.answer["seq"]) == ("boot1", 2)
    assert [one["index"] for one in published.answer["errors"]] == [0, 1]
    assert pipeline.count("rejected") == 2


def test_the_answer_has_the_fields_of_the_newest_and_the_key_of_the_last(pipeline: Pipeline) -> None:
    published = pipeline.send([sample(1, at=later(-1)), sample(3, at=later(0)), sample(2, at=later(-2))])
    ids = {seq: id_ for id_, _, _, seq, _ in pipeline.rows(READINGS)}
    assert published.answer["record_id"] == ids[3]
    assert (published.answer["boot"], published.answer["seq"]) == ("boot1", 2)
    assert len(published.answer["sha256"]) == 64


def test_the_key_of_the_last_is_told_also_where_it_was_refused(pipeline: Pipeline) -> None:
    published = pipeline.send([sample(1), sample(2, hr=900)])
    assert (published.answer["status"], published.answer["boot"], published.answer["seq"]) == ("partial", "boot1", 2)


def test_a_batch_is_taken_in_the_order_of_time(pipeline: Pipeline) -> None:
    samples = stream(90)
    pipeline.send(list(reversed(samples)), device_id="reversed", at=later(90))
    pipeline.send(samples, device_id="sorted", at=later(90))
    query = "SELECT seq, stress_probability, quality FROM history_stress WHERE device_id = '{}' ORDER BY id"
    assert pipeline.rows(query.format("reversed")) == pipeline.rows(query.format("sorted"))


def test_what_has_no_key_is_answered_by_its_hash_and_stays_distinct(pipeline: Pipeline) -> None:
    payload = encoded(sample())
    published = pipeline.send(payload, payload)
    again = pipeline.send(payload)
    for answer in (*published.answers, again.answer):
        assert answer["sha256"] == hashlib.sha256(payload).hexdigest()
        assert not {"boot", "seq", "duplicate"} & set(answer)
    assert [row[2:4] for row in pipeline.rows(READINGS)] == [("~process1", 1), ("~process1", 2), ("~process1", 3)]
    assert [one["record_id"] for one in (*published.answers, again.answer)] == [1, 2, 3]


def test_a_batch_whose_last_has_no_key_is_answered_by_its_hash(pipeline: Pipeline) -> None:
    payload = encoded([sample(1), sample()])
    answer = pipeline.send(payload).answer
    assert answer["sha256"] == hashlib.sha256(payload).hexdigest()
    assert not {"boot", "seq"} & set(answer)


def test_a_key_of_the_gateway_is_believed_only_from_the_pipeline(pipeline: Pipeline) -> None:
    stamped = sample(1, boot="~gateway")
    refused = pipeline.send(stamped)
    assert refused.answer["error"]["code"] == "reserved"
    assert "boot" not in refused.answer
    pipeline.store(pipeline.decoded(stamped, trusted=True))
    assert [row[2:4] for row in pipeline.rows(READINGS)] == [("~gateway", 1)]


@pytest.mark.parametrize(
    ("payload", "code", "field"),
    [
        (b'{"hr": 900, "extra": "kept as it came" }', "out_of_range", "hr"),
        (b'{"hr": NaN}', "not_finite", "hr"),
        (b"\xff\xfe", "not_utf8", None),
        (b"", "empty", None),
        (b"{", "not_json", None),
        (b"[]", "empty", None),
        (b"{}", "missing", "hr"),
        (b"[" + b",".join([b'{"hr":70}'] * (MAX_BATCH + 1)) + b"]", "too_many", None),
    ],
)
def test_what_is_refused_is_kept_as_it_came(pipeline: Pipeline, payload: bytes, code: str, field: str | None) -> None:
    published = pipeline.send(payload)
    assert (published.answer["status"], published.answer["error"]["code"], published.answer["error"].get("field")) == (
        "error",
        code,
        field,
    )
    assert published.answer["sha256"] == hashlib.sha256(payload).hexdigest()
    assert published.readings == []
    (row,) = pipeline.rows(REJECTED)
    assert row[3:5] == (code, field)
    assert row[5] == published.answer["message"]
    assert row[6:] == (payload[:4096], len(payload), hashlib.sha256(payload).hexdigest())


def test_a_device_whose_name_is_impossible_is_refused_and_kept(pipeline: Pipeline) -> None:
    published = pipeline.send(sample(1), device_id="x" * 65)
    assert published.answer["error"]["field"] == "device_id"
    assert pipeline.rows(REJECTED)[0][0] == "x" * 64


def abandoned(pipeline: Pipeline, decoded: list[DecodedMessage]) -> list[Publication]:
    """What a transaction would have published that is rolled back at its end."""
    with pipeline.database.writer.connect() as connection, connection.begin() as transaction:
        publications = store(connection, decoded, pipeline.devices, pipeline.predictor).publications
        transaction.rollback()
        return publications


def test_a_transaction_that_fails_leaves_the_devices_as_they_were(pipeline: Pipeline) -> None:
    pipeline.send([sample(seq, at=later(seq)) for seq in range(5)], at=later(5))
    before = pipeline.devices.get("d")
    assert before is not None
    state = before.to_bytes()
    decoded = pipeline.decoded(sample(5, at=later(5)), sample(0, at=later(-100), boot="boot2"), at=later(90))
    decoded += pipeline.decoded(sample(6, hr=111), device_id="new", at=later(90))
    assert abandoned(pipeline, decoded)
    refuse(pipeline.database, 111)
    with pytest.raises(IntegrityError):
        pipeline.store(decoded)
    assert pipeline.devices.get("d") is before
    assert before.to_bytes() == state
    assert pipeline.devices.get("new") is None
    assert pipeline.count("history_stress") == 5


def test_a_transaction_that_is_run_again_repeats_itself(pipeline: Pipeline) -> None:
    decoded = pipeline.decoded(*stream(70), sample(), at=later(70))
    outcomes = [abandoned(pipeline, decoded), abandoned(pipeline, decoded), pipeline.store(decoded).publications]
    # What PostgreSQL has counted up it does not count down again.
    published = [
        [one._replace(payload=re.sub(rb'"(record_)?id":\d+', b"", one.payload)) for one in some] for some in outcomes
    ]
    assert published[0] == published[1] == published[2]
    assert len(published[0]) == 142


def test_a_row_that_the_database_refuses_is_isolated(pipeline: Pipeline) -> None:
    refuse(pipeline.database, 111)
    payloads = (
        [sample(1), sample(2, at=later(1), hr=111), sample(3, at=later(2))],
        sample(4, at=later(3)),
        sample(2, hr=111),
    )
    with pytest.raises(IntegrityError):
        pipeline.send(*payloads)
    assert pipeline.count("history_stress") == 0
    published = pipeline.send(*payloads, isolate=True)
    assert [row[3] for row in pipeline.rows(READINGS)] == [1, 3, 4]
    batch, single, resend = published.answers
    ids = [row[0] for row in pipeline.rows(READINGS)]
    assert (batch["status"], batch["count"], batch["record_id"]) == ("partial", 2, ids[1])
    assert [(one["index"], one["error"]["code"], one["seq"]) for one in batch["errors"]] == [(1, "database", 2)]
    assert re.search("not.this.one", batch["errors"][0]["error"]["message"])
    assert (single["status"], single["record_id"]) == ("success", ids[2])
    assert (resend["status"], resend["error"]["code"]) == ("error", "database")
    rejected = pipeline.rows(REJECTED)
    assert {(row[2], row[3]) for row in rejected} == {(2, "database")}
    assert json.loads(rejected[0][6])["hr"] == 111
    assert [one["id"] for one in published.readings] == ids
    assert published.outcome.stored == 3


def test_isolated_and_together_store_the_same(pipeline: Pipeline) -> None:
    pipeline.send(stream(100), device_id="together", at=later(100))
    pipeline.send(stream(100), device_id="isolated", at=later(100), isolate=True)
    query = "SELECT seq, timestamp, stress_probability, quality FROM history_stress WHERE device_id = '{}' ORDER BY id"
    assert pipeline.rows(query.format("together")) == pipeline.rows(query.format("isolated"))


def test_a_sample_without_a_clock_is_flagged_and_takes_the_server_s_time(pipeline: Pipeline) -> None:
    published = pipeline.send(
        [sample(1, at=None, uptime_ms=1000), sample(2, at=None, uptime_ms=3500), sample(3, at=later(61), uptime_ms=4000)]
    )
    assert [(one["timestamp"], one["quality"]) for one in published.readings] == [
        ("2024-12-10T11:59:57Z", ["clock_unsynced", "warming_up"]),
        ("2024-12-10T11:59:59.500000Z", ["clock_unsynced", "warming_up"]),
        ("2024-12-10T12:00:00Z", ["clock_unsynced", "warming_up"]),
    ]
    assert [row[0] for row in pipeline.rows("SELECT quality FROM history_stress")] == ["clock_unsynced,warming_up"] * 3


@pytest.mark.parametrize("missing", [["hr"], ["temp"], ["eda"], ["hr", "temp"], ["hr", "eda"], ["temp", "eda"]])
def test_readings_are_finite_and_in_percent(pipeline: Pipeline, missing: list[str]) -> None:
    samples = [{**one, **dict.fromkeys(missing)} for one in stream(90)]
    outcome = pipeline.store(pipeline.decoded(*samples, at=later(90)))
    payloads = [one.payload for one in outcome.publications if one.topic.endswith("new_sensor_data")]
    assert len(payloads) == 90
    for payload in payloads:
        assert b"NaN" not in payload
        reading = json.loads(payload)
        p = reading["stress_probability"]
        assert 0 <= p <= 1
        share = 1 - p if reading["stress_level"] == "normal" else p
        assert reading["confidence"] == round(100 * share, 2)
        assert all(reading[channel] is None for channel in missing)
        assert set(NewSensorData.__struct_fields__) == set(reading)
        assert {f"no_{channel}" for channel in missing} <= set(reading["quality"])


def test_confidence_is_that_of_the_level_which_is_shown(pipeline: Pipeline) -> None:
    published = pipeline.send(*stream(260), at=later(260))
    levels = {one["stress_level"] for one in published.readings}
    assert levels == {"normal", "elevated", "high_stress"}
    for answer, reading in zip(published.answers, published.readings, strict=True):
        p = reading["stress_probability"]
        share = 1 - p if reading["stress_level"] == "normal" else p
        assert answer["stress_prediction"] == {"label": reading["stress_level"], "confidence": share}
        assert reading["confidence"] == round(100 * share, 2)
