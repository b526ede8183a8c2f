"""Logins as rows. All functions are synchronous and take a connection; of a token they see only the SHA-256, in hex."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, select, update

from broker.contract import Role
from storage.dialects import insert_new
from storage.tables import LoginRow

LoginState = Literal["active", "expired", "revoked"]


class LoginError(Exception):
    """A login that cannot be added or changed; the message is one line for the user."""


class Login(NamedTuple):
    """A row of `logins`."""

    name: str
    role: Role
    token_sha256: str
    created_at: datetime
    changed_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    devices: str | None = None

    @property
    def sees(self) -> frozenset[str] | None:
        """The devices that a person may see; None: every one."""
        return None if self.devices is None else frozenset(self.devices.split(","))

    def state(self, now: datetime) -> LoginState:
        """Return the state at `now`; a login expires at `expires_at`, not after it."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= now else "active"


_columns = tuple(getattr(LoginRow, field) for field in Login._fields)


def add_login(
    connection: Connection,
    name: str,
    role: Role,
    token_sha256: str,
    now: datetime,
    expires_at: datetime | None = None,
    devices: Collection[str] | None = None,
) -> None:
    """Add a login, or replace a revoked one. Raises `LoginError` if there is another of that name."""
    seen = None if devices is None else ",".join(sorted(devices))
    new = Login(name, role, token_sha256, now, now, expires_at, revoked_at=None, devices=seen)
    row = new._asdict()
    added = insert_new(connection.dialect.name, LoginRow, ["name"]).returning(LoginRow.name)
    if connection.execute(added, row).one_or_none() is not None:
        return
    replaced = (
        update(LoginRow).where(LoginRow.name == name, LoginRow.revoked_at.is_not(None)).values(row).returning(LoginRow.name)
    )
    if connection.execute(replaced).one_or_none() is None:
        raise LoginError(f"there is a login {name} already: rotate it for a new token, or revoke it first")


def rotate_login(connection: Connection, name: str, token_sha256: str, now: datetime, role: Role | None = None) -> None:
    """Give a login another token. Raises `LoginError` as `revoke_login`, and if it has expired."""
    if _unrevoked(connection, name, role).state(now) == "expired":
        raise LoginError(f"the login {name} has expired: revoke it, then add it again")
    _change(connection, name, token_sha256=token_sha256, changed_at=now)


def revoke_login(connection: Connection, name: str, now: datetime, role: Role | None = None) -> None:
    """Revoke a login. Raises `LoginError` if there is none of that name and role, or it is revoked already."""
    _unrevoked(connection, name, role)
    _change(connection, name, revoked_at=now, changed_at=now)


def logins(connection: Connection) -> list[Login]:
    """Return all logins by name, also those that are revoked or expired."""
    return [Login(*row) for row in connection.execute(select(*_columns).order_by(LoginRow.name))]


def _unrevoked(connection: Connection, name: str, role: Role | None) -> Login:
    """The login, locked until the transaction ends; SQLite's writer holds the whole database anyway."""
    row = connection.execute(select(*_columns).where(LoginRow.name == name).with_for_update()).one_or_none()
    if row is None:
        raise LoginError(f"there is no login {name[:80]!r}")
    login = Login(*row)
    if role not in (None, login.role):
        raise LoginError(f"the login {name} is not a {role} but has the role {login.role}")
    if login.revoked_at is not None:
        raise LoginError(f"the login {name} is revoked already")
    return login


def _change(connection: Connection, name: str, **columns: Any) -> None:
    connection.execute(update(LoginRow).where(LoginRow.name == name).values(columns))
