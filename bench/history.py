"""Ten million readings: pages and overviews, by the code that answers frontends: `python -m bench.history [--quick]`."""

import asyncio
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

from alembic import command
from alembic.config import Config
from msgspec import Struct
from sqlalchemy import create_engine, text

from bench import report
from broker.contract import HISTORY_DEFAULT, HISTORY_MAX, HistoryRequest, encode
from storage.database import Database
from storage.history import History
from storage.revisions import MIGRATIONS

DEVICES: Final = 10
YEAR: Final = timedelta(days=365)
FIRST: Final = datetime(2024, 1, 1, tzinfo=UTC)
_FILL: Final = """
    INSERT INTO history_stress (device_id, boot, seq, timestamp, received_at, hr, temp, eda, stress_level, confidence,
                                stress_probability, quality, model_version)
    WITH RECURSIVE one(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM one WHERE n + 1 < :readings)
    SELECT 'dev' || (n % :devices), 'b', n, strftime('%Y-%m-%d %H:%M:%f000', :first + n * :step_s, 'unixepoch'),
           '2026-01-01 00:00:00.000000', 60 + n % 50, 33.5, 0.4, CASE WHEN n % 7 THEN 'normal' ELSE 'high_stress' END, 0.85,
           0.15, '', 'bench' FROM one
"""


class Plan(Struct, frozen=True):
    """`readings` of ten devices, spread over a year; each request is repeated `times` times."""

    readings: int = 10_000_000
    times: int = 15


QUICK: Final = Plan(readings=20_000, times=3)


def measure(quick: bool) -> str:
    """Return the table: fill a database with SQLite alone, migrate it, and time the requests."""
    plan = QUICK if quick else Plan()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'record.db'}"
        _fill(url, plan)
        start_s = time.monotonic()
        with Database(url) as database:
            migrated_s = time.monotonic() - start_s
            rows = asyncio.run(_ask(database, plan))
        rows.append(["the migration that makes the rollups, s", report.middle([migrated_s]), ""])
    return report.table(f"History of {plan.readings:,} readings on SQLite", ["", "median ms", "max ms"], rows)


def _fill(url: str, plan: Plan) -> None:
    """Create a database with the readings, at the revision before the rollups."""
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        values = {
            "readings": plan.readings,
            "devices": DEVICES,
            "first": FIRST.timestamp(),
            "step_s": YEAR.total_seconds() / plan.readings,
        }
        connection.execute(text(_FILL), values)
    engine.dispose()


async def _ask(database: Database, plan: Plan) -> list[list[str]]:
    middle = (FIRST + YEAR / 2).isoformat()
    week = (FIRST + YEAR / 2 + timedelta(days=7)).isoformat()
    async with History(database) as history:
        in_the_middle = (await history.answer(HistoryRequest(end_date=middle))).next
        questions = {
            f"the newest {HISTORY_DEFAULT}": HistoryRequest(),
            f"the newest {HISTORY_MAX}": HistoryRequest(limit=HISTORY_MAX),
            f"{HISTORY_MAX} of a device": HistoryRequest(limit=HISTORY_MAX, device_id="dev3"),
            f"{HISTORY_MAX} by a cursor in the middle": HistoryRequest(limit=HISTORY_MAX, cursor=in_the_middle),
            f"{HISTORY_MAX} of a device in a week": HistoryRequest(
                limit=HISTORY_MAX, device_id="dev3", start_date=middle, end_date=week
            ),
            f"{HISTORY_MAX} after an id": HistoryRequest(limit=HISTORY_MAX, after_id=plan.readings // 2),
            "a year of a device, by day": HistoryRequest(device_id="dev3", resolution="day"),
            "a year of a device, `auto`": HistoryRequest(device_id="dev3", resolution="auto"),
            "a year of all devices, by day": HistoryRequest(resolution="day"),
            "a week of a device, `auto`": HistoryRequest(
                device_id="dev3", resolution="auto", start_date=middle, end_date=week
            ),
        }
        return [[name, *await _timed(history, request, plan.times)] for name, request in questions.items()]


async def _timed(history: History, request: HistoryRequest, times: int) -> tuple[str, str]:
    """Return the median and the maximum in milliseconds, encoding included."""
    times_ms: list[float] = []
    for _ in range(times):
        start_s = time.perf_counter()
        encode(await history.answer(request))
        times_ms.append((time.perf_counter() - start_s) * 1_000)
    return f"{median(times_ms):.1f}", f"{max(times_ms):.1f}"


if __name__ == "__main__":
    report.main(measure, __doc__)
