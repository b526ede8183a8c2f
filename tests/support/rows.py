"""Table rows as ingest writes them."""

from datetime import UTC, datetime, timedelta
from typing import Any

NOON = datetime(2024, 12, 10, 12, tzinfo=UTC)


def row(seq: int, *, device_id: str = "d", boot: str = "b", at: datetime | None = None, **other: Any) -> dict[str, Any]:
    """Return a reading `seq` seconds after noon."""
    return {
        "device_id": device_id,
        "boot": boot,
        "seq": seq,
        "timestamp": NOON + timedelta(seconds=seq) if at is None else at,
        "received_at": NOON,
        "hr": 60.0 + seq % 100,
        "temp": 33.5,
        "eda": 0.4,
        "stress_level": "normal",
        "confidence": 0.85,
        "stress_probability": 0.15,
        "quality": "",
        "model_version": "1-test",
        **other,
    }


def rejected_row(number: int) -> dict[str, Any]:
    return {
        "device_id": "d",
        "boot": None,
        "seq": None,
        "received_at": NOON,
        "code": "out_of_range",
        "field": "hr",
        "message": str(number),
        "payload": b"",
        "length": 0,
        "sha256": "",
    }
