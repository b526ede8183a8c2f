"""Alerts from the commit to the broker: at least once."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from ingest import alert_outbox as outbox
from ingest.alert_outbox import AlertOutbox
from storage.database import Database
from storage.outbox import Unsent, insert_unsent, unsent_after
from storage.writer import Writer
from tests.support.mqtt.aio import run, turns, until
from tests.support.pipeline import FakeBus


def everybody(_device_id: str) -> bool:
    return True


class Case:
    """An outbox, its bus and its database."""

    def __init__(
        self, database: Database, writer: Writer, owns: Callable[[str], bool] = everybody, grace_s: float = 0.0
    ) -> None:
        self.database = database
        self.bus = FakeBus()
        self.writer = writer
        self.outbox = AlertOutbox(self.bus, writer, owns, grace_s=grace_s)

    async def commit(self, *names: str, device_id: str = "d") -> list[Unsent]:
        """A transaction with these alerts."""
        messages = [(device_id, f"stress/v1/{device_id}/stress_alert", name.encode()) for name in names]
        return await self.writer.run(lambda connection: insert_unsent(connection, messages))

    @property
    def sent(self) -> list[bytes]:
        return [payload for what, payload in self.bus.journal if what == "stress_alert 1"]

    @property
    def kept(self) -> list[bytes]:
        with self.database.reader.connect() as connection:
            return [one.payload for one in unsent_after(connection, 0, 10_000)]


@asynccontextmanager
async def running(database: Database, owns: Callable[[str], bool] = everybody) -> AsyncIterator[Case]:
    async with Writer(database) as writer, asyncio.TaskGroup() as tasks:
        case = Case(database, writer, owns)
        tasks.create_task(case.outbox.run())
        yield case
        case.outbox.finish()


def test_what_is_committed_is_sent_once_and_then_forgotten(database: Database) -> None:
    async def main() -> None:
        async with running(database) as case:
            await until(lambda: not case.outbox._reading)
            case.outbox.add(await case.commit("one", "two"))
            case.outbox.add([])
            case.outbox.add(await case.commit("three"))
            await until(lambda: case.kept == [])
            assert case.sent == [b"one", b"two", b"three"]

    run(main)


def test_what_an_earlier_process_left_comes_first(database: Database) -> None:
    async def main() -> None:
        async with Writer(database) as writer:
            earlier = Case(database, writer)
            await earlier.commit(*(str(number) for number in range(250)))
        async with running(database) as case:
            case.outbox.add(await case.commit("new"))
            await until(lambda: case.kept == [])
            assert case.sent == [b"%d" % number for number in range(250)] + [b"new"]

    run(main)


def test_while_the_broker_is_away_they_are_kept_in_their_order(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "RETRY_FIRST_S", 0.01)

    async def main() -> None:
        async with running(database) as case:
            case.bus.refuses = 7
            case.outbox.add(await case.commit("one", "two"))
            case.outbox.add(await case.commit("three"))
            await until(lambda: case.bus.refuses < 7)
            assert case.kept == [b"one", b"two", b"three"]
            await until(lambda: case.kept == [])
            last = {payload: at for at, payload in enumerate(case.sent)}
            assert last[b"one"] < last[b"two"] < last[b"three"]

    run(main)


def test_at_the_end_it_does_not_wait_for_a_broker_that_is_away(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox, "FINISH_S", 0.05)

    async def main() -> None:
        async with running(database) as case:
            case.bus.refuses = 10_000
            case.outbox.add(await case.commit("one"))
            await until(lambda: case.bus.refuses < 10_000)
        assert case.kept == [b"one"]

    run(main)
    assert "after the next start" in caplog.text


def test_at_the_end_what_waits_is_sent(database: Database) -> None:
    async def main() -> None:
        async with running(database) as case:
            await until(lambda: not case.outbox._reading)
            case.outbox.add(await case.commit("one"))
        assert (case.sent, case.kept) == ([b"one"], [])

    run(main)


def test_others_are_left_to_the_one_who_serves_them(database: Database) -> None:
    async def main() -> None:
        async with Writer(database) as writer:
            earlier = Case(database, writer)
            await earlier.commit("mine", device_id="a")
            await earlier.commit("not mine", device_id="b")
        async with running(database, lambda device_id: device_id == "a") as case:
            await until(lambda: case.sent == [b"mine"])
        assert case.kept == [b"not mine"]

    run(main)


def test_more_than_is_remembered_is_read_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MAX_IN_MEMORY", 10)
    monkeypatch.setattr(outbox, "BATCH", 4)

    async def main() -> None:
        async with running(database) as case:
            await until(lambda: not case.outbox._reading)
            for number in range(0, 120, 6):
                case.outbox.add(await case.commit(*(str(number + more) for more in range(6))))
                await turns(number % 7)
            await until(lambda: case.kept == [])
            assert case.sent == [b"%d" % number for number in range(120)]
            await until(lambda: not case.outbox._reading)

    run(main)


def test_what_was_left_waits_for_those_who_come_back(database: Database) -> None:
    async def main() -> None:
        async with Writer(database) as writer, asyncio.TaskGroup() as tasks:
            case = Case(database, writer, grace_s=0.3)
            await case.commit("old")
            started_s = asyncio.get_running_loop().time()
            tasks.create_task(case.outbox.run())
            case.outbox.add(await case.commit("new"))
            await until(lambda: case.sent == [b"old", b"new"])
            assert asyncio.get_running_loop().time() - started_s >= 0.3
            case.outbox.finish()

    run(main)


def test_the_end_does_not_wait_for_those_who_come_back(database: Database) -> None:
    async def main() -> None:
        async with Writer(database) as writer, asyncio.TaskGroup() as tasks:
            case = Case(database, writer, grace_s=3_600)
            await case.commit("old")
            tasks.create_task(case.outbox.run())
            await turns()
            case.outbox.finish()
        assert case.sent == [b"old"]

    run(main)


def test_without_the_database_it_ends_and_says_so(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with running(database) as case:
            await until(lambda: not case.outbox._reading)
            unsent = await case.commit("one")
            with database.writer.begin() as connection:
                connection.exec_driver_sql("ALTER TABLE outbox RENAME TO hidden")
            case.outbox.add(unsent)
            await until(lambda: case.writer.state != "ok")
            case.writer.stop()
        assert case.sent == [b"one"]

    run(main)
    assert "without the database" in caplog.text
