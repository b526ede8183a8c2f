"""Commands to devices, and what came back. All functions are synchronous and take a connection."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from storage.tables import CommandRow


class NewCommand(NamedTuple):
    """A command to a device; `value` is JSON."""

    command_id: str
    device_id: str
    command: str
    value: str | None
    at: datetime
    login: str | None


class StoredCommand(NamedTuple):
    """A command and what came back."""

    order: NewCommand
    answered_at: datetime | None
    status: str | None
    message: str | None


def order(connection: Connection, given: NewCommand) -> None:
    """Keep a command before it is sent."""
    connection.execute(insert(CommandRow).values(given._asdict()))


def answered(
    connection: Connection, device_id: str, command_id: str, at: datetime, status: str, message: str | None
) -> bool:
    """Keep what the device answered first; whether it was asked that at all."""
    mine = (CommandRow.command_id == command_id, CommandRow.device_id == device_id, CommandRow.answered_at.is_(None))
    changed = update(CommandRow).where(*mine).values(answered_at=at, status=status, message=message)
    return bool(connection.execute(changed.returning(CommandRow.command_id)).all())


def find_command(connection: Connection, device_id: str, command_id: str) -> StoredCommand | None:
    """A command of a device."""
    columns = tuple(getattr(CommandRow, name) for name in NewCommand._fields)
    query = select(*columns, CommandRow.answered_at, CommandRow.status, CommandRow.message)
    query = query.where(CommandRow.command_id == command_id, CommandRow.device_id == device_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredCommand(NewCommand(*row[: len(columns)]), *row[len(columns) :])
