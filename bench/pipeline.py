"""`stresswire up` with ten thousand held connections: `python -m bench.pipeline [--quick]`.

PUBACKs and rows are counted: each acknowledged message must be in the database once.
"""

import contextlib
import sqlite3
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench import report, wire
from bench.crowd import Crowd
from bench.held import FILTERS, KEEP_ALIVE_S, latencies
from bench.watched import Watched, free_port


class Plan(Struct, frozen=True):
    """`rates`: messages a second of all connections together, one run of `seconds` each."""

    connections: int = 10_000
    rates: tuple[int, ...] = (200, 1_000)
    seconds: int = 60


QUICK: Final = Plan(connections=100, rates=(100,), seconds=3)


class Stack(Watched):
    """`stresswire up` in a folder, with a new database."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.http_port = free_port()
        self._database = folder / "bench.db"
        settings = {
            "STRESSWIRE_MQTT_BIND": f"127.0.0.1:{self.port}",
            "STRESSWIRE_HTTP_BIND": f"127.0.0.1:{self.http_port}",
            "STRESSWIRE_DATABASE_URL": f"sqlite:///{self._database}",
        }
        super().__init__([sys.executable, "-m", "stresswire", "up"], "Ctrl-C stops.", env=settings, cwd=folder)

    def rows(self) -> tuple[int, int]:
        """Return the number of rows, and that of different keys."""
        with contextlib.closing(sqlite3.connect(self._database)) as connection:
            query = "SELECT count(*), count(DISTINCT device_id || '/' || boot || '/' || seq) FROM history_stress"
            counts: tuple[int, int] = connection.execute(query).fetchone()
            return counts


def measure(quick: bool) -> str:
    """Return the table, with a fresh server for each rate."""
    plan = QUICK if quick else Plan()
    runs = [_run(plan, rate) for rate in plan.rates]
    rows = [[name, *(report.middle([figures[name]], 1) for figures in runs)] for name in runs[0]]
    title = f"`stresswire up` on SQLite with {plan.connections:,} held connections, {plan.seconds} s"
    return report.table(title, ["", *(f"{rate:,} messages a second" for rate in plan.rates)], rows)


def _run(plan: Plan, rate: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
        empty_mb = stack.resident_mb()
        with Crowd(stack.port, plan.connections, keep_alive_s=KEEP_ALIVE_S) as crowd:
            crowd.ask_each(_subscribe, wire.suback_bytes(len(FILTERS)))
            stack.settled_cpu_us()
            held_mb = stack.resident_mb()
            messages = _messages(plan, rate)
            before = stack.cpu_us()
            answered = crowd.paced(messages, rate, publishes=len(messages))
            cost_us = stack.cpu_us() - before
            stored, distinct = stack.rows()
        return {
            "sent": len(messages),
            "PUBACKs": len(answered.latencies_ms),
            "rows": stored,
            "different rows": distinct,
            "`data_received` answers": answered.publishes,
            **{name.removeprefix(": "): value for name, value in latencies("", answered).items()},
            "CPU us a message": cost_us / len(messages),
            "memory before the connections, MB": empty_mb,
            "memory with them, MB": held_mb,
            "memory at the end, MB": stack.resident_mb(),
        }


def _subscribe(number: int) -> bytes:
    return wire.subscribe([wire.topic(wire.device(number), name) for name in FILTERS])


def _messages(plan: Plan, rate: int) -> list[bytes]:
    """Return the packets, each with the time at which it is to be sent as its timestamp."""
    start = datetime.now(UTC)
    return [
        _message(number, plan.connections, start + timedelta(seconds=number / rate))
        for number in range(rate * plan.seconds)
    ]


def _message(number: int, connections: int, at: datetime) -> bytes:
    name = wire.topic(wire.device(number % connections), wire.SENSOR)
    body = wire.payload(number, at.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return wire.publish(name, body, qos=1, packet_id=1 + number // connections)


if __name__ == "__main__":
    report.main(measure, __doc__)
