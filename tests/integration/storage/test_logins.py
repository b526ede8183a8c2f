"""Logins as rows."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from storage.database import Database
from storage.logins import Login, LoginError, LoginState, add_login, logins, revoke_login, rotate_login
from tests.support.rows import NOON

HOUR = timedelta(hours=1)
Change = Callable[[Connection], None]


def fill(connection: Connection) -> None:
    """One login of each kind."""
    add_login(connection, "live", "device", "a" * 64, NOON)
    add_login(connection, "vera", "viewer", "b" * 64, NOON, NOON + 48 * HOUR)
    add_login(connection, "old", "device", "c" * 64, NOON, NOON + HOUR)
    add_login(connection, "gone", "admin", "d" * 64, NOON)
    revoke_login(connection, "gone", NOON + HOUR)


def by_name(database: Database) -> dict[str, Login]:
    with database.reader.connect() as connection:
        return {login.name: login for login in logins(connection)}


def changed(database: Database, change: Change) -> dict[str, Login]:
    """What `change` made of the rows of `fill`: only the names whose row is another."""
    with database.writer.begin() as connection:
        fill(connection)
    before = by_name(database)
    with database.writer.begin() as connection:
        change(connection)
    return {name: login for name, login in by_name(database).items() if login != before.get(name)}


def test_they_come_by_name_with_all_that_was_said(database: Database) -> None:
    with database.writer.begin() as connection:
        fill(connection)
        found = logins(connection)
    assert found == [
        Login("gone", "admin", "d" * 64, NOON, NOON + HOUR, None, NOON + HOUR),
        Login("live", "device", "a" * 64, NOON, NOON, None, None),
        Login("old", "device", "c" * 64, NOON, NOON, NOON + HOUR, None),
        Login("vera", "viewer", "b" * 64, NOON, NOON, NOON + 48 * HOUR, None),
    ]


@pytest.mark.parametrize(
    ("name", "after", "state"),
    [
        ("live", 1000 * HOUR, "active"),
        ("old", HOUR - timedelta(microseconds=1), "active"),
        ("old", HOUR, "expired"),
        ("vera", HOUR, "active"),
        ("gone", -HOUR, "revoked"),
        ("gone", 2 * HOUR, "revoked"),
    ],
)
def test_what_a_login_is_worth(database: Database, name: str, after: timedelta, state: LoginState) -> None:
    with database.writer.begin() as connection:
        fill(connection)
    assert by_name(database)[name].state(NOON + after) == state


LATER = NOON + 2 * HOUR


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            lambda connection: add_login(connection, "new", "service", "e" * 64, LATER, LATER + HOUR),
            Login("new", "service", "e" * 64, LATER, LATER, LATER + HOUR, None),
        ),
        (
            lambda connection: add_login(connection, "gone", "device", "e" * 64, LATER),
            Login("gone", "device", "e" * 64, LATER, LATER, None, None),
        ),
        (
            lambda connection: rotate_login(connection, "vera", "e" * 64, LATER),
            Login("vera", "viewer", "e" * 64, NOON, LATER, NOON + 48 * HOUR, None),
        ),
        (
            lambda connection: rotate_login(connection, "live", "e" * 64, LATER, "device"),
            Login("live", "device", "e" * 64, NOON, LATER, None, None),
        ),
        (
            lambda connection: revoke_login(connection, "live", LATER),
            Login("live", "device", "a" * 64, NOON, LATER, None, LATER),
        ),
        (
            lambda connection: revoke_login(connection, "old", LATER, "device"),
            Login("old", "device", "c" * 64, NOON, LATER, NOON + HOUR, LATER),
        ),
    ],
    ids=["add", "add what was revoked", "rotate", "rotate by role", "revoke", "revoke what has expired"],
)
def test_a_change_is_of_one_row(database: Database, change: Change, expected: Login) -> None:
    assert changed(database, change) == {expected.name: expected}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda connection: add_login(connection, "live", "viewer", "e" * 64, LATER), "live already"),
        (lambda connection: add_login(connection, "old", "device", "e" * 64, LATER), "old already"),
        (lambda connection: rotate_login(connection, "nobody", "e" * 64, LATER), "no login 'nobody'"),
        (lambda connection: rotate_login(connection, "gone", "e" * 64, LATER), "gone is revoked"),
        (lambda connection: rotate_login(connection, "old", "e" * 64, LATER), "old has expired"),
        (lambda connection: rotate_login(connection, "vera", "e" * 64, LATER, "device"), "vera .* viewer"),
        (lambda connection: revoke_login(connection, "nobody", LATER), "no login 'nobody'"),
        (lambda connection: revoke_login(connection, "a\nb", LATER), r"no login 'a\\nb'"),
        (lambda connection: revoke_login(connection, "gone", LATER), "gone is revoked"),
        (lambda connection: revoke_login(connection, "vera", LATER, "device"), "vera .* viewer"),
    ],
)
def test_what_cannot_be_changed_says_why_and_stays(database: Database, change: Change, words: str) -> None:
    def refused(connection: Connection) -> None:
        with pytest.raises(LoginError, match=words) as error:
            change(connection)
        assert "\n" not in str(error.value)

    assert changed(database, refused) == {}
