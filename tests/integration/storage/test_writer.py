"""The one writing thread, its retries, and what it says of the database."""

import asyncio
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, text

from storage.database import Database
from storage.device_state import save_state
from storage.readings import insert_readings
from storage.tables import DeviceState
from storage.writer import CrossedError, RowsRefusedError, Writer
from tests.support.databases import hidden, locked, no_table
from tests.support.mqtt.aio import run, until
from tests.support.rows import NOON, row


def devices(database: Database) -> list[str]:
    with database.reader.connect() as connection:
        return list(connection.execute(select(DeviceState.device_id).order_by(DeviceState.device_id)).scalars())


def save(connection: Connection, name: str) -> str:
    save_state(connection, name, 1, NOON, b"")
    return name


def test_the_result_comes_after_the_commit(database: Database) -> None:
    async def main() -> None:
        async with Writer(database) as writer:
            assert await writer.run(lambda connection: save(connection, "a")) == "a"
            assert devices(database) == ["a"]

    run(main)


def test_an_exception_rolls_back_and_passes(database: Database) -> None:
    def work(connection: Connection) -> None:
        save(connection, "a")
        raise KeyError("mine")

    async def main() -> None:
        async with Writer(database) as writer:
            with pytest.raises(KeyError, match="mine"):
                await writer.run(work)
            assert devices(database) == []
            assert await writer.run(lambda connection: save(connection, "b")) == "b"
            assert devices(database) == ["b"]

    run(main)


def test_everything_runs_in_one_thread_one_after_the_other(database: Database) -> None:
    threads: list[str] = []
    running = 0

    def work(connection: Connection) -> int:
        nonlocal running
        running += 1
        threads.append(threading.current_thread().name)
        save(connection, "a")
        running -= 1
        return running

    async def main() -> None:
        async with Writer(database) as writer:
            assert await asyncio.gather(*(writer.run(work) for _ in range(20))) == [0] * 20

    run(main)
    assert len(set(threads)) == 1
    assert threads[0] != threading.current_thread().name


def test_while_another_process_holds_the_lock_the_work_is_held_and_tried_again(
    sqlite_database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    states: list[str] = []
    database = sqlite_database

    async def main() -> None:
        async with Writer(database) as writer:
            # The one connection of the writer's pool: it will not wait for 5 s.
            await writer.run(lambda connection: connection.execute(text("PRAGMA busy_timeout=10")).close())
            with locked(tmp_path / "record.db"):
                held = asyncio.create_task(writer.run(lambda connection: save(connection, "held")))
                await until(lambda: writer.state != "ok")
                states.append(writer.state)
                assert not held.done()
                assert devices(database) == []
            assert await held == "held"
            states.append(writer.state)
            assert devices(database) == ["held"]

    run(main)
    assert states == ["database is locked", "ok"]
    assert [
        (one.levelname, one.getMessage().rpartition(": ")[2]) for one in caplog.records if "record.db" in one.message
    ] == [
        ("ERROR", "database is locked"),
    ]


def test_a_broken_database_is_told_and_the_work_goes_on_when_it_is_repaired(database: Database) -> None:
    async def main() -> None:
        async with Writer(database) as writer:
            with hidden(database, "device_state"):
                held = asyncio.create_task(writer.run(lambda connection: save(connection, "a")))
                await until(lambda: writer.state != "ok")
                assert writer.state == no_table(database, "device_state")
            assert await held == "a"
            assert writer.state == "ok"

    run(main)


def test_what_is_held_is_told_though_other_work_is_taken(database: Database) -> None:
    async def main() -> None:
        async with Writer(database) as writer:
            with hidden(database, "device_state"):
                held = asyncio.create_task(writer.run(lambda connection: save(connection, "a")))
                await until(lambda: writer.state != "ok")
                await writer.run(lambda connection: connection.execute(text("SELECT 1")).close())
                assert writer.state == no_table(database, "device_state")
            assert await held == "a"
            assert writer.state == "ok"

    run(main)


def test_held_work_can_be_cancelled(database: Database) -> None:
    async def main() -> None:
        async with Writer(database) as writer:
            held = asyncio.create_task(writer.run(lambda connection: connection.execute(text("SELECT * FROM nothing"))))
            await until(lambda: writer.state != "ok")
            held.cancel()
            with pytest.raises(asyncio.CancelledError):
                await held
            assert writer.state == "ok"

    run(main)


def test_a_crossing_runs_the_work_again_at_once(database: Database) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> str:
        tries.append(len(tries))
        save(connection, f"try {len(tries)}")
        if len(tries) < 3:
            raise CrossedError
        return "done"

    async def main() -> None:
        async with Writer(database) as writer:
            assert await writer.run(work) == "done"
            assert devices(database) == ["try 3"]
            assert writer.state == "ok"

    run(main)


def test_rows_that_break_a_rule_are_refused_and_not_tried_again(database: Database) -> None:
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        insert_readings(connection, [row(1), row(2, stress_level=None)])

    async def main() -> None:
        async with Writer(database) as writer:
            with pytest.raises(RowsRefusedError, match="stress_level"):
                await writer.run(work)
            assert writer.state == "ok"

    run(main)
    assert len(tries) == 1
    with database.reader.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM history_stress")).scalar_one() == 0


def test_the_end_waits_for_the_transaction_that_runs(database: Database) -> None:
    started, go_on = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        started.set()
        assert go_on.wait(10)
        save(connection, "a")

    async def main() -> None:
        async with Writer(database) as writer:
            running = asyncio.create_task(writer.run(work))
            await asyncio.to_thread(started.wait, 10)
            asyncio.get_running_loop().call_soon(go_on.set)
        assert devices(database) == ["a"]
        await running

    run(main)
