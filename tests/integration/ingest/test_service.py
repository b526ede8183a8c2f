"""Ingest from message to acknowledgement, on a bus in memory and a real database."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, text

from broker.contract import MAX_BATCH, SENSOR_DATA
from ingest.metrics import Metrics
from ingest.service import TRANSACTION_SAMPLES, Counters, Ingest
from models.serving.predictor import Predictor
from storage.database import Database
from storage.writer import Result, Writer
from tests.support.databases import another, no_table, refuse
from tests.support.mqtt.aio import run, turns, until
from tests.support.pipeline import NOW, FakeBus, encoded, sample


class JournalledWriter(Writer):
    """Notes each commit of samples in the bus's journal; the outbox has transactions of its own."""

    def __init__(self, database: Database, bus: FakeBus) -> None:
        super().__init__(database)
        self._bus = bus
        self.tries = 0

    async def run(self, work: Callable[[Connection], Result]) -> Result:
        samples = isinstance(work, partial)

        def counted(connection: Connection) -> Result:
            self.tries += samples
            return work(connection)

        result = await super().run(counted)
        if samples:
            self._bus.journal.append(("commit", b""))
        return result


class Serving:
    def __init__(self, bus: FakeBus, writer: JournalledWriter, ingest: Ingest, task: asyncio.Task[None]) -> None:
        self.bus = bus
        self.writer = writer
        self.ingest = ingest
        self.task = task

    @property
    def what(self) -> list[str]:
        return [what for what, _ in self.bus.journal]

    def payloads(self, what: str) -> list[Any]:
        return [json.loads(payload) for name, payload in self.bus.journal if name == what]

    async def acknowledged(self, count: int) -> None:
        while self.what.count("ack") < count:
            assert not self.task.done(), "ingest ended"
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(
    database: Database, predictor: Predictor, waiting: Sequence[object] = (), metrics: Metrics | None = None
) -> AsyncIterator[Serving]:
    """Ingest, with messages that wait for it; at the end the bus closes and ingest must end by itself."""
    bus = FakeBus()
    async with JournalledWriter(database, bus) as writer:
        ingest = Ingest(bus, writer, predictor, now=lambda: NOW, process_id="process1", metrics=metrics)
        for payload in waiting:
            await bus.arrive(payload)
        task = asyncio.create_task(ingest.run())
        try:
            yield Serving(bus, writer, ingest, task)
            await bus.close()
            await task
        finally:
            task.cancel()


def count(database: Database, table: str = "history_stress") -> int:
    with database.reader.connect() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())  # noqa: S608


def test_it_subscribes_when_it_is_made(database: Database, predictor: Predictor) -> None:
    async def main() -> None:
        async with serving(database, predictor) as now:
            (subscription,) = now.bus.subscriptions
            assert subscription.filters == ("stress/v1/+/esp32_sensor_data",)
            assert (subscription.durable, subscription.qos) == (True, SENSOR_DATA.qos)

    run(main)


def test_one_sample_is_committed_then_told_then_acknowledged(database: Database, predictor: Predictor) -> None:
    async def main() -> None:
        async with serving(database, predictor) as now:
            await now.bus.arrive(sample(1))
            await now.acknowledged(1)
            assert now.what == ["commit", "data_received 0", "new_sensor_data 0", "ack"]
            assert now.payloads("data_received 0")[0]["record_id"] == 1
            await now.bus.arrive(sample(1))
            await now.acknowledged(2)
            assert now.what[4:] == ["commit", "data_received 0", "ack"]
            assert count(database) == 1
            assert now.ingest.counters == Counters(stored=1, duplicates=1, rejected=0)

    run(main)


def test_what_waits_is_one_transaction(database: Database, predictor: Predictor) -> None:
    async def main() -> None:
        payloads = [sample(seq) for seq in range(40)]
        async with serving(database, predictor, payloads) as now:
            await now.acknowledged(40)
            assert now.what.count("commit") == 1
            assert now.what[0] == "commit"
            assert now.what[-40:] == ["ack"] * 40
            assert [payload for what, payload in now.bus.journal if what == "ack"] == [encoded(one) for one in payloads]
            assert [one["seq"] for one in now.payloads("data_received 0")] == list(range(40))

    run(main)


def test_large_batches_are_several_transactions_each_acknowledged_by_itself(
    database: Database, predictor: Predictor
) -> None:
    batch = 400
    payloads = [
        [sample(seq, boot=f"b{number}", at=NOW - timedelta(seconds=batch - seq)) for seq in range(batch)]
        for number in range(5)
    ]

    async def main() -> None:
        assert batch <= MAX_BATCH
        async with serving(database, predictor, payloads) as now:
            await now.acknowledged(5)
            each = -(-TRANSACTION_SAMPLES // batch)
            published = [what for what in now.what if what in ("commit", "ack")]
            acknowledged = [len(group.split()) for group in " ".join(published).split("commit")[1:]]
            assert sum(acknowledged) == 5
            assert 1 <= max(acknowledged) <= each
            assert count(database) == 5 * batch

    run(main)


def test_what_is_refused_is_kept_told_and_acknowledged(
    database: Database, predictor: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with serving(database, predictor, [b"{", sample(1, hr=900), sample(2)]) as now:
            await now.acknowledged(3)
            assert [one["status"] for one in now.payloads("data_received 0")] == ["error", "error", "success"]
            assert now.what[0] == "commit"
            assert now.ingest.counters == Counters(stored=1, duplicates=0, rejected=2)

    run(main)
    assert count(database, "rejected") == 2
    assert [one.getMessage() for one in caplog.records if one.name == "ingest.service"] == [
        "2 refused so far, the last from 'd': hr must be 25-240 bpm, got 900; send null where there is no contact"
    ]


def test_warnings_are_counted_and_logged(
    database: Database, predictor: Predictor, caplog: pytest.LogCaptureFixture
) -> None:
    registry = CollectorRegistry()

    async def main() -> None:
        payloads = [sample(1, hr=0), [sample(2, temp=85), sample(3, at=NOW + timedelta(hours=1))], sample(4)]
        async with serving(database, predictor, payloads, metrics=Metrics(registry)) as now:
            await now.acknowledged(3)
            assert [len(one.get("warnings", ())) for one in now.payloads("data_received 0")] == [1, 2, 0]

    run(main)
    counted = {code: registry.get_sample_value("stresswire_sample_warnings_total", {"code": code}) for code in CODES}
    assert counted == {"no_contact": 2, "out_of_range": 1, "missing": None}
    assert [one.getMessage() for one in caplog.records if one.name == "ingest.service"] == [
        "from 'd': hr 0 was stored as null: send null where there is no contact"
    ]


CODES = ("no_contact", "out_of_range", "missing")


def test_while_the_database_fails_nothing_is_told_or_acknowledged(database: Database, predictor: Predictor) -> None:
    async def main() -> None:
        with another(database) as other:
            other.exec_driver_sql("ALTER TABLE history_stress RENAME TO hidden")
            async with serving(database, predictor, [sample(1)]) as now:
                await until(lambda: now.writer.state != "ok")
                await now.bus.arrive(sample(2, at=NOW + timedelta(seconds=1)))
                await until(lambda: now.writer.tries >= 2)
                await turns()
                assert now.bus.journal == []
                assert now.writer.state == no_table(database, "history_stress")
                other.exec_driver_sql("ALTER TABLE hidden RENAME TO history_stress")
                await now.acknowledged(2)
                assert now.writer.state == "ok"
                once = ["commit", "data_received 0", "new_sensor_data 0", "ack"]
                assert now.what == once * 2
                assert [one["seq"] for one in now.payloads("data_received 0")] == [1, 2]
        assert count(database) == 2

    run(main)


def test_a_failed_transaction_leaves_the_same_predictions(predictor: Predictor, tmp_path: Path) -> None:
    probabilities: list[list[float]] = []

    async def one(path: Path, *, fail: bool) -> None:
        with Database(f"sqlite:///{path}") as fresh, closing(sqlite3.connect(path, isolation_level=None)) as other:
            async with serving(fresh, predictor) as now:
                for seq in range(3):
                    if fail:
                        other.execute("ALTER TABLE rejected RENAME TO hidden")
                    await now.bus.arrive([sample(seq, at=NOW + timedelta(seconds=seq), hr=60 + seq), b"x".decode()])
                    if fail:
                        await until(lambda: now.writer.state != "ok")
                        other.execute("ALTER TABLE hidden RENAME TO rejected")
                    await now.acknowledged(seq + 1)
                probabilities.append([reading["stress_probability"] for reading in now.payloads("new_sensor_data 0")])

    async def main() -> None:
        await one(tmp_path / "fails.db", fail=True)
        await one(tmp_path / "works.db", fail=False)

    run(main)
    assert len(probabilities[0]) == 3
    assert probabilities[0] == probabilities[1]


def test_a_device_is_remembered_and_not_read_again_from_the_record(database: Database, predictor: Predictor) -> None:
    async def main() -> None:
        start = NOW - timedelta(seconds=100)
        async with serving(database, predictor) as now:
            await now.bus.arrive([sample(seq, at=start + timedelta(seconds=seq)) for seq in range(100)])
            await now.acknowledged(1)
            with database.writer.begin() as connection:
                connection.exec_driver_sql("DELETE FROM device_state")
            await now.bus.arrive(sample(100))
            await now.acknowledged(2)
            assert now.payloads("new_sensor_data 0")[-1]["quality"] == []

    run(main)


def test_a_row_that_the_database_refuses_does_not_block_the_rest(database: Database, predictor: Predictor) -> None:
    refuse(database, 111)

    async def main() -> None:
        payloads = [sample(1), sample(2, hr=111), sample(3)]
        async with serving(database, predictor, payloads) as now:
            await now.acknowledged(3)
            answers = now.payloads("data_received 0")
            assert [one["status"] for one in answers] == ["success", "error", "success"]
            assert answers[1]["error"]["code"] == "database"
            assert now.what[0] == "commit"
            assert now.what.count("commit") == 1
            assert now.writer.tries == 2
            assert now.ingest.counters == Counters(stored=2, duplicates=0, rejected=1)

    run(main)
    assert (count(database), count(database, "rejected")) == (2, 1)


def test_when_the_bus_closes_what_waits_is_still_stored(database: Database, predictor: Predictor) -> None:
    async def main() -> None:
        async with serving(database, predictor, [sample(seq) for seq in range(600)]) as now:
            await now.bus.close()
            await now.task
            assert now.what.count("ack") == 600

    run(main)
    assert count(database) == 600


def test_cancelled_while_the_database_fails_it_has_acknowledged_nothing(database: Database, predictor: Predictor) -> None:
    with database.writer.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE history_stress RENAME TO hidden")

    async def main() -> None:
        bus = FakeBus()
        async with JournalledWriter(database, bus) as writer:
            ingest = Ingest(bus, writer, predictor, now=lambda: NOW, process_id="process1")
            await bus.arrive(sample(1))
            task = asyncio.create_task(ingest.run())
            await until(lambda: writer.state != "ok")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert bus.journal == []

    run(main)
