"""`stresswire device` and `stresswire token`: a device is a login of the role device."""

import getpass
import os
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, TypeVar, get_args

import typer
from sqlalchemy import Connection

from broker.contract import SENSOR_DATA, Role
from storage.audit import AuditEvent, append_event
from storage.logins import Login, LoginError, add_login, logins, revoke_login, rotate_login
from stresswire import runtime
from stresswire.login_cache import check_name, new_token, sha256_of
from stresswire.settings import load_settings

Result = TypeVar("Result")
Name = Annotated[str, typer.Argument(help="letters, digits, _, : and -; a device's name is also in its topics")]
Expires = Annotated[float | None, typer.Option(min=0.001, help="Days until the token can no longer be used.")]
ROLES = get_args(Role)
LIMITED: tuple[Role, ...] = ("viewer", "operator")

device = typer.Typer(no_args_is_help=True, help="Devices that may connect.")
token = typer.Typer(no_args_is_help=True, help="Logins of devices, people and parts of the pipeline.")


@device.command("add")
def add_device(name: Name, expires: Expires = None) -> None:
    """Add a device, and print its token once."""
    _add(name, "device", expires)


@device.command("list")
def list_devices() -> None:
    """List all devices, revoked ones too."""
    _list("device")


@device.command("revoke")
def revoke_device(name: Name) -> None:
    """Revoke a device; its connections end within two seconds."""
    _revoke(name, "device")


@device.command("rotate")
def rotate_device(name: Name) -> None:
    """Replace a device's token, and print the new one once."""
    _rotate(name, "device")


@token.command("add")
def add_token(
    name: Name,
    role: Annotated[str, typer.Option(help=", ".join(ROLES))] = "viewer",
    expires: Expires = None,
    only: Annotated[
        list[str] | None, typer.Option(help="A device that a viewer or operator may see; may be repeated. None: all.")
    ] = None,
) -> None:
    """Add a login, and print its token once."""
    known = next((known for known in ROLES if known == role), None)
    if known is None:
        raise LoginError(f"--role must be one of {', '.join(ROLES)}, got {role[:40]!r}")
    if only and known not in LIMITED:
        raise LoginError(f"--only is for {' and '.join(LIMITED)}, not for the role {known}")
    _add(name, known, expires, only)


@token.command("list")
def list_tokens() -> None:
    """List all logins, revoked ones too."""
    _list(None)


@token.command("revoke")
def revoke_token(name: Name) -> None:
    """Revoke a login; its connections end within two seconds."""
    _revoke(name, None)


@token.command("rotate")
def rotate_token(name: Name) -> None:
    """Replace a login's token, and print the new one once."""
    _rotate(name, None)


def _add(name: str, role: Role, expires_days: float | None, only: Sequence[str] | None = None) -> None:
    for checked in (name, *(only or ())):
        check_name(checked)
    secret, now = new_token(), runtime.utc_now()
    expires_at = None if expires_days is None else now + timedelta(days=expires_days)
    add = partial(add_login, name=name, role=role, token_sha256=sha256_of(secret.encode()), now=now)
    _change("token_add", name, role, partial(add, expires_at=expires_at, devices=only or None))
    _print_token(name, role, secret)


def _rotate(name: str, role: Role | None) -> None:
    secret = new_token()
    sha256, now = sha256_of(secret.encode()), runtime.utc_now()
    _change("token_rotate", name, role, partial(rotate_login, name=name, token_sha256=sha256, now=now, role=role))
    _print_token(name, role, secret)


def _revoke(name: str, role: Role | None) -> None:
    _change("token_revoke", name, role, partial(revoke_login, name=name, now=runtime.utc_now(), role=role))
    typer.echo(f"{name} is revoked")


def _change(action: str, name: str, role: Role | None, work: Callable[[Connection], None]) -> None:
    """Change a login, and record in the audit log which user of this machine did it."""

    def transaction(connection: Connection) -> None:
        work(connection)
        detail = ", ".join(filter(None, (role, f"by {_user()} at the command line")))
        append_event(connection, AuditEvent(runtime.utc_now(), None, None, action, name, detail))

    _in_database(transaction)


def _user() -> str:
    """Return the name of this process's user, or its number if the system has no name."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return f"user {os.getuid()}" if hasattr(os, "getuid") else "an unknown user"


def _list(role: Role | None) -> None:
    listed = [login for login in _in_database(logins) if role in (None, login.role)]
    now = runtime.utc_now()
    rows = [("NAME", "ROLE", "STATE", "SINCE"), *(_row(login, now) for login in listed)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(login: Login, now: datetime) -> tuple[str, str, str, str]:
    return login.name, login.role, login.state(now), f"{login.changed_at:%Y-%m-%d %H:%M} UTC"


def _in_database(work: Callable[[Connection], Result]) -> Result:
    with runtime.open_database(load_settings()) as database, database.writing() as connection:
        return work(connection)


def _print_token(name: str, role: Role | None, secret: str) -> None:
    typer.echo(f"The token of {name}, shown this once:\n\n    {secret}\n")
    typer.echo(f"Use it as the MQTT password of the user name {name}, or over HTTP as Authorization: Bearer TOKEN.")
    if role == "device":
        sample = '{"hr":75.5,"temp":36.2,"eda":0.45}'
        typer.echo(f"mosquitto_pub -u {name} -P TOKEN -q 1 -t {SENSOR_DATA.topic(name)} -m '{sample}'")
