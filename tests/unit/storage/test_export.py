"""The encoders of an export: one form of time in a column."""

import csv
import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from sqlalchemy import Row

from storage.export import COLUMNS, encoder_of

WHOLE = datetime(2024, 12, 10, 10, 30, tzinfo=UTC)
TIMES = [
    WHOLE,
    WHOLE + timedelta(milliseconds=250),
    WHOLE + timedelta(microseconds=1),
    WHOLE.replace(year=999),
    WHOLE.replace(hour=0, minute=0),
]


def rows() -> Sequence[Row[Any]]:
    values = {"id": 1, "device_id": "-c", "hr": 70.5, "seq": 0}
    return cast(
        Sequence[Row[Any]],
        [tuple(time if name in ("timestamp", "received_at") else values.get(name) for name in COLUMNS) for time in TIMES],
    )


@pytest.mark.parametrize("column", ["timestamp", "received_at"])
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_all_times_have_one_form(kind: str, column: str) -> None:
    encoder = encoder_of(kind)  # type: ignore[arg-type]
    text = (encoder.rows(rows()) + encoder.end()).decode()
    table = list(csv.DictReader(io.StringIO(text))) if kind == "csv" else [json.loads(line) for line in text.splitlines()]
    zone = "+00:00" if kind == "csv" else "Z"
    assert [row[column] for row in table] == [
        f"2024-12-10T10:30:00.000000{zone}",
        f"2024-12-10T10:30:00.250000{zone}",
        f"2024-12-10T10:30:00.000001{zone}",
        f"0999-12-10T10:30:00.000000{zone}",
        f"2024-12-10T00:00:00.000000{zone}",
    ]
    assert [datetime.fromisoformat(row[column]) for row in table] == TIMES
