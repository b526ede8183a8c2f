"""Tokens, and the book of logins against a real database that others change."""

import asyncio
import contextlib
import logging
import re
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from broker.auth.identity import Credentials, Identity
from broker.contract import DEVICE_ID, DEVICE_ID_RULE, MAX_DEVICE_ID
from storage.database import READERS, Database
from storage.logins import LoginError, add_login, revoke_login, rotate_login
from stresswire.login_cache import LoginCache, check_name, new_token, sha256_of
from tests.support.mqtt.aio import run, until
from tests.support.rows import NOON

HOUR = timedelta(hours=1)
NOTICED_S = 2.0
"""Within this time a change made by any process is effective."""


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def fill(connection: Connection) -> None:
    """One login of each kind; the token is the name and an exclamation mark."""
    add_login(connection, "alice", "device", sha256_of(b"alice!"), NOON)
    add_login(connection, "vera", "viewer", sha256_of(b"vera!"), NOON, NOON + HOUR)
    add_login(connection, "old", "device", sha256_of(b"old!"), NOON, NOON)
    add_login(connection, "gone", "admin", sha256_of(b"gone!"), NOON)
    revoke_login(connection, "gone", NOON)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{tmp_path / 'logins.db'}") as opened:
        with opened.writer.begin() as connection:
            fill(connection)
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(database: Database, clock: Clock) -> LoginCache:
    return LoginCache(database, clock)


# --- names and tokens


@pytest.mark.parametrize("name", ["a", "ESP32_001", "a:b-c_d", "x" * MAX_DEVICE_ID])
def test_a_name_may_be_a_devices(name: str) -> None:
    assert re.match(DEVICE_ID, name)
    check_name(name)


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "$SYS", "a.b", "a b", "a\n", "é", "~a", "x" * (MAX_DEVICE_ID + 1)])
def test_any_other_name_is_one_line_with_the_rule(name: str) -> None:
    with pytest.raises(LoginError) as refused:
        check_name(name)
    message = str(refused.value)
    assert DEVICE_ID_RULE in message
    assert str(MAX_DEVICE_ID) in message
    assert "\n" not in message


def test_a_token_has_256_bits_and_comes_once() -> None:
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{43}", token) for token in tokens)


# --- who it is


@pytest.mark.parametrize(
    ("shown", "who"),
    [
        (Credentials("alice", b"alice!"), Identity("alice", "device")),
        (Credentials("vera", b"vera!"), Identity("vera", "viewer")),
        (Credentials("alice", b"vera!"), None),
        (Credentials("alice", b"alice"), None),
        (Credentials("alice", b""), None),
        (Credentials("alice"), None),
        (Credentials("Alice", b"alice!"), None),
        (Credentials("alice", sha256_of(b"alice!").encode()), None),
        (Credentials("alice", b"\xff" * 65_535), None),
        (Credentials("nobody", b"alice!"), None),
        (Credentials("nobody", b""), None),
        (Credentials("nobody"), None),
        (Credentials("", b""), None),
        (Credentials("", b"alice!"), None),
        (Credentials(None, b"alice!"), None),
        (Credentials(), None),
        (Credentials("gone", b"gone!"), None),
        (Credentials("old", b"old!"), None),
        # a verified certificate
        (Credentials(None, None, "alice"), Identity("alice", "device")),
        (Credentials("alice", None, "alice"), Identity("alice", "device")),
        (Credentials("vera", None, "alice"), None),
        (Credentials("vera", b"alice!", "alice"), None),
        (Credentials("", None, "alice"), None),
        (Credentials("nobody", None, "alice"), None),
        (Credentials(None, None, "nobody"), None),
        (Credentials("nobody", None, "nobody"), None),
        (Credentials(None, None, "gone"), None),
        (Credentials(None, None, "old"), None),
        (Credentials(None, None, ""), None),
        (Credentials("vera", b"vera!", "alice"), Identity("vera", "viewer")),
        (Credentials("vera", b"vera!", "nobody"), Identity("vera", "viewer")),
    ],
    ids=str,
)
def test_who_shows_what(book: LoginCache, shown: Credentials, who: Identity | None) -> None:
    assert book.identify(shown) == who


@pytest.mark.parametrize("shown", [Credentials("vera", b"vera!"), Credentials(None, None, "vera")], ids=str)
def test_a_login_ends_the_moment_it_expires(book: LoginCache, clock: Clock, shown: Credentials) -> None:
    clock.now = NOON + HOUR - timedelta(microseconds=1)
    assert book.identify(shown) == Identity("vera", "viewer")
    clock.now = NOON + HOUR
    assert book.identify(shown) is None


def test_it_asks_no_database(book: LoginCache, database: Database, tmp_path: Path) -> None:
    database.close()
    for path in tmp_path.iterdir():
        path.unlink()
    assert book.identify(Credentials("alice", b"alice!")) == Identity("alice", "device")


def test_a_login_can_be_lent_to_this_process(book: LoginCache, database: Database, clock: Clock) -> None:
    token = book.issue_temporary("demo", "device").encode()
    assert book.identify(Credentials("demo", token)) == Identity("demo", "device")
    assert book.identify(Credentials("demo", b"other")) is None
    assert book.identify(Credentials("alice", token)) is None
    assert LoginCache(database, clock).identify(Credentials("demo", token)) is None


def test_whether_anybody_could_come_in(database: Database, clock: Clock, tmp_path: Path) -> None:
    assert LoginCache(database, clock).any_active
    with database.writer.begin() as connection:
        revoke_login(connection, "alice", NOON)
    assert LoginCache(database, clock).any_active, "vera can"
    clock.now = NOON + HOUR
    assert not LoginCache(database, clock).any_active
    with Database(f"sqlite:///{tmp_path / 'empty.db'}") as empty:
        lending = LoginCache(empty, clock)
        lending.issue_temporary("demo", "device")
        assert not lending.any_active, "a lent login is nobody's"


# --- what changes

Change = Callable[[Connection, Clock], None]


def replaced(connection: Connection, _clock: Clock) -> None:
    revoke_login(connection, "alice", NOON)
    add_login(connection, "alice", "operator", sha256_of(b"alice!"), NOON)


def expired(_connection: Connection, clock: Clock) -> None:
    clock.now = NOON + HOUR


async def noticed(book: LoginCache, database: Database, change: Callable[[Connection], None]) -> list[str]:
    """Whom the book tells of, in `NOTICED_S`, after `change` was made beside it."""
    told: list[str] = []
    watching = asyncio.create_task(book.run(told.append))
    other = Database(database.url.render_as_string(hide_password=False))
    with other, other.writer.begin() as connection:
        change(connection)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(NOTICED_S):
            await until(lambda: told != [])
    watching.cancel()
    return told


@pytest.mark.parametrize(
    ("change", "told", "shown", "who"),
    [
        (lambda c, _: revoke_login(c, "alice", NOON), ["alice"], Credentials("alice", b"alice!"), None),
        (lambda c, _: rotate_login(c, "alice", sha256_of(b"2"), NOON), ["alice"], Credentials("alice", b"alice!"), None),
        (
            lambda c, _: rotate_login(c, "alice", sha256_of(b"2"), NOON),
            ["alice"],
            Credentials("alice", b"2"),
            Identity("alice", "device"),
        ),
        (replaced, ["alice"], Credentials("alice", b"alice!"), Identity("alice", "operator")),
        (lambda c, _: c.exec_driver_sql("DELETE FROM logins WHERE name = 'alice'"), ["alice"], Credentials("alice"), None),
        (expired, ["vera"], Credentials("vera", b"vera!"), None),
        (
            lambda c, _: add_login(c, "bob", "device", sha256_of(b"b"), NOON),
            [],
            Credentials("bob", b"b"),
            Identity("bob", "device"),
        ),
        (
            lambda c, _: add_login(c, "gone", "device", sha256_of(b"g"), NOON),
            [],
            Credentials("gone", b"g"),
            Identity("gone", "device"),
        ),
        (lambda c, _: revoke_login(c, "old", NOON), [], Credentials("old", b"old!"), None),
    ],
    ids=["revoke", "rotate", "new token", "other role", "delete", "expire", "add", "add again", "revoke what has expired"],
)
def test_a_change_by_another_process_is_effective_in_time(
    book: LoginCache,
    database: Database,
    clock: Clock,
    change: Change,
    told: list[str],
    shown: Credentials,
    who: Identity | None,
) -> None:
    async def main() -> None:
        assert await noticed(book, database, lambda connection: change(connection, clock)) == told
        assert book.identify(shown) == who

    run(main)


def test_it_tells_of_nobody_twice(book: LoginCache, database: Database) -> None:
    async def main() -> None:
        assert await noticed(book, database, lambda c: revoke_login(c, "alice", NOON)) == ["alice"]
        assert await noticed(book, database, lambda _: None) == []

    run(main)


def test_slow_readers_of_the_history_do_not_hold_a_revocation_back(book: LoginCache, database: Database) -> None:
    release = threading.Event()

    def read() -> None:
        with database.reader.connect():
            release.wait()

    async def main() -> None:
        readers = [asyncio.create_task(asyncio.to_thread(read)) for _ in range(READERS)]
        try:
            assert await noticed(book, database, lambda c: revoke_login(c, "alice", NOON)) == ["alice"]
        finally:
            release.set()
            await asyncio.gather(*readers)

    run(main)


def test_while_the_database_is_away_what_was_known_goes_on(
    book: LoginCache, database: Database, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "logins.db"
    told: list[str] = []

    def said() -> list[str]:
        return [record.message for record in caplog.records if record.name == "stresswire.login_cache"]

    async def main() -> None:
        watching = asyncio.create_task(book.run(told.append))
        database.close()
        path.rename(tmp_path / "kept.db")
        path.mkdir()
        await until(lambda: said() != [])
        assert book.identify(Credentials("alice", b"alice!")) == Identity("alice", "device")
        clock.now = NOON + HOUR
        await until(lambda: told == ["vera"])  # a login ends also while nothing can be read
        assert book.identify(Credentials("vera", b"vera!")) is None
        path.rmdir()
        (tmp_path / "kept.db").rename(path)
        await until(lambda: "again" in said()[-1])
        watching.cancel()

    caplog.set_level(logging.INFO, logger="stresswire.login_cache")
    run(main)
    assert "unable to open database file" in said()[0]
    assert len(said()) == 2, "it was said more than once"
    assert told == ["vera"]
    assert book.identify(Credentials("alice", b"alice!")) == Identity("alice", "device")
