"""How a device's contact is told: by minutes, however its sensors share the readings."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from models.serving.predictor import Predictor
from storage.database import Database
from storage.devices import device
from tests.support.pipeline import NOW, Pipeline, sample

Values = dict[str, Any]
ALL: Values = {"hr": 70.0, "temp": 33.5, "eda": 0.5}


def only(*channels: str) -> Values:
    return {name: value if name in channels else None for name, value in ALL.items()}


def together(_: int) -> list[Values]:
    return [ALL]


def apart(_: int) -> list[Values]:
    return [only("hr"), only("temp"), only("eda")]


def apart_at_their_rates(second: int) -> list[Values]:
    return [only("hr"), *[only("eda")] * 4, *([only("temp")] if second % 30 == 0 else [])]


def half_the_time_without_heart_rate(second: int) -> list[Values]:
    return [ALL if second < 120 else only("temp", "eda")]


def without_temperature(_: int) -> list[Values]:
    return [only("hr"), only("eda")]


def newest_hour_only(second: int) -> list[Values]:
    return [only("hr") if second < 120 else only("eda")]


@pytest.mark.parametrize(
    ("sent", "start_s", "contact"),
    [
        (together, 0, {"hr": 1.0, "temp": 1.0, "eda": 1.0}),
        (apart, 0, {"hr": 1.0, "temp": 1.0, "eda": 1.0}),
        (apart_at_their_rates, 0, {"hr": 1.0, "temp": 1.0, "eda": 1.0}),
        (half_the_time_without_heart_rate, 0, {"hr": 0.5, "temp": 1.0, "eda": 1.0}),
        (without_temperature, 0, {"hr": 1.0, "temp": 0.0, "eda": 1.0}),
        (newest_hour_only, -120, {"hr": 0.0, "temp": 0.0, "eda": 1.0}),
    ],
)
def test_contact_is_the_share_of_minutes(
    database: Database,
    predictor: Predictor,
    sent: Callable[[int], list[Values]],
    start_s: int,
    contact: dict[str, float],
) -> None:
    """Four minutes; NOW is when an hour begins."""
    pipeline = Pipeline(database, predictor)
    for second in range(0, 240, 5):
        at = NOW + timedelta(seconds=start_s + second)
        pipeline.send([sample(at=at, **values) for values in sent(second)], at=at)
    with database.reader.connect() as connection:
        found = device(connection, "d")
        assert device(connection, "nobody") is None
    assert found is not None
    assert found.contact == contact
