"""Delivery that repeats, reorders and splits: one row for each sample, and one answer however often it is sent."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.serving.predictor import Predictor
from storage.database import Database
from tests.support.pipeline import NOW, Pipeline, sample

SAMPLES = 12


class Delivery(NamedTuple):
    """A sample's number; `other`: another content under its key. `cut`: a transaction ends here; `restart`: and memory."""

    seq: int
    other: bool
    cut: bool
    restart: bool


DELIVERIES = st.lists(
    st.builds(
        Delivery,
        st.integers(0, SAMPLES - 1),
        st.sampled_from([False] * 5 + [True]),
        st.booleans(),
        st.sampled_from([False] * 4 + [True]),
    ),
    min_size=1,
    max_size=60,
)


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    folder: Path = tmp_path_factory.mktemp("delivery")
    with Database(f"sqlite:///{folder / 'record.db'}") as database:
        yield Pipeline(database, Predictor.load())


def payload(one: Delivery) -> dict[str, object]:
    return sample(one.seq, at=NOW + timedelta(seconds=one.seq), hr=60 + one.seq + (0.5 if one.other else 0))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries=DELIVERIES, as_batches=st.booleans())
def test_every_sample_is_stored_once_and_answered_alike(
    pipeline: Pipeline, deliveries: list[Delivery], as_batches: bool
) -> None:
    device_id = f"d{pipeline.count('history_stress')}-{pipeline.count('rejected')}"
    first: dict[int, Delivery] = {}
    record_ids: dict[int, set[int]] = {}
    conflicts = 0
    before = pipeline.count("rejected")
    waiting: list[Delivery] = []
    for at, one in enumerate(deliveries):
        waiting.append(one)
        if not one.cut and at < len(deliveries) - 1:
            continue
        if one.restart:
            pipeline.restart()
        payloads = [payload(each) for each in waiting]
        told = pipeline.send(*([payloads] if as_batches else payloads), device_id=device_id, at=NOW + timedelta(minutes=1))
        for each in waiting:
            conflicts += first.setdefault(each.seq, each).other != each.other
        if not as_batches:
            for each, answer in zip(waiting, told.answers, strict=True):
                if first[each.seq].other == each.other:
                    assert answer["status"] == "success"
                    record_ids.setdefault(each.seq, set()).add(answer["record_id"])
                else:
                    assert (answer["status"], answer["error"]["code"]) == ("error", "conflict")
        waiting = []
    rows = pipeline.rows(f"SELECT seq, hr FROM history_stress WHERE device_id = '{device_id}'")  # noqa: S608
    assert sorted(rows) == sorted((seq, payload(one)["hr"]) for seq, one in first.items())
    assert all(len(ids) == 1 for ids in record_ids.values())
    assert pipeline.count("rejected") - before == conflicts
