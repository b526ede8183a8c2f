"""Another process holds the database: nothing is acknowledged meanwhile, and everything is stored once afterwards."""

import asyncio
import contextlib
import sqlite3

from tests.faults.ledger import Fleet
from tests.faults.test_kill_9 import keys
from tests.harness import Stack, wait_until


def assert_all_is_stored_once(stack: Stack, fleet: Fleet) -> None:
    """What was not acknowledged is accepted when it is sent again."""
    asyncio.run(fleet.resend(stack.mqtt_port))
    assert stack.stop() == 0
    stored = keys(stack)
    assert fleet.everything == stored.keys()
    assert set(stored.values()) == {1}


def test_nothing_is_acknowledged_while_the_database_is_away(stack: Stack) -> None:
    fleet = Fleet(10, 0)

    async def publish_against_the_lock() -> None:
        with contextlib.closing(sqlite3.connect(stack.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            publishing = asyncio.create_task(fleet.publish(stack.mqtt_port))
            await asyncio.to_thread(stack.wait_for, "database is locked")
            assert fleet.sent > 0
            assert fleet.acknowledged == set()
            other.execute("ROLLBACK")
        await asyncio.to_thread(wait_until, lambda: len(fleet.acknowledged) > 100)
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)

    asyncio.run(publish_against_the_lock())
    assert_all_is_stored_once(stack, fleet)


def test_a_sender_that_gave_up_is_accepted_later(stack: Stack) -> None:
    fleet = Fleet(5, 0)

    async def give_up() -> None:
        with contextlib.closing(sqlite3.connect(stack.database, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            publishing = asyncio.create_task(fleet.publish(stack.mqtt_port))
            await asyncio.to_thread(stack.wait_for, "database is locked")
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)
            other.execute("ROLLBACK")

    asyncio.run(give_up())
    assert fleet.acknowledged == set()
    assert_all_is_stored_once(stack, fleet)
