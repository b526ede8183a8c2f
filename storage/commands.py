"""Commands to devices, and their results. All functions are synchronous and take a connection."""

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
    """A command and its result, if the device has answered."""

    command: NewCommand
    answered_at: datetime | None
    status: str | None
    message: str | None


def add_command(connection: Connection, command: NewCommand) -> None:
    """Store a command before it is sent."""
    connection.execute(insert(CommandRow).values(command._asdict()))


def record_result(
    connection: Connection, device_id: str, command_id: str, at: datetime, status: str, message: str | None
) -> bool:
    """Store the first result of a command. Return False if the device has no such command without a result."""
    waiting = (CommandRow.command_id == command_id, CommandRow.device_id == device_id, CommandRow.answered_at.is_(None))
    changed = update(CommandRow).where(*waiting).values(answered_at=at, status=status, message=message)
    return bool(connection.execute(changed.returning(CommandRow.command_id)).all())


def find_command(connection: Connection, device_id: str, command_id: str) -> StoredCommand | None:
    """Return a command of a device; None if there is none of this id."""
    columns = tuple(getattr(CommandRow, name) for name in NewCommand._fields)
    query = select(*columns, CommandRow.answered_at, CommandRow.status, CommandRow.message)
    query = query.where(CommandRow.command_id == command_id, CommandRow.device_id == device_id)
    row = connection.execute(query).one_or_none()
    return None if row is None else StoredCommand(NewCommand(*row[: len(columns)]), *row[len(columns) :])
