"""`stresswire device` and `stresswire token`: one code; a device is a login of the role device."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar, get_args

import typer
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from broker.contract import SENSOR_DATA, Role
from storage.database import reason_of
from storage.logins import Login, LoginError, add_login, logins, revoke_login, rotate_login
from stresswire import runtime
from stresswire.logins import check_name, new_token, sha256_of
from stresswire.settings import load_settings

Result = TypeVar("Result")
Name = Annotated[str, typer.Argument(help="letters, digits, _, : and -; a device's name is also in its topics")]
Expires = Annotated[float | None, typer.Option(min=0.001, help="Days until the token can no longer be used.")]
ROLES = get_args(Role)

device = typer.Typer(no_args_is_help=True, help="Devices that may connect.")
token = typer.Typer(no_args_is_help=True, help="Logins of devices, people and parts of the pipeline.")


@device.command("add")
def add_device(name: Name, expires: Expires = None) -> None:
    """Let a device in: prints its token, once."""
    _add(name, "device", expires)


@device.command("list")
def list_devices() -> None:
    """Every device that was ever let in."""
    _list("device")


@device.command("revoke")
def revoke_device(name: Name) -> None:
    """Shut a device out, within two seconds also where it is connected."""
    _revoke(name, "device")


@device.command("rotate")
def rotate_device(name: Name) -> None:
    """Give a device another token: prints it, once."""
    _rotate(name, "device")


@token.command("add")
def add_token(
    name: Name, role: Annotated[str, typer.Option(help=", ".join(ROLES))] = "viewer", expires: Expires = None
) -> None:
    """Add a login: prints its token, once."""
    known = next((one for one in ROLES if one == role), None)
    if known is None:
        raise LoginError(f"--role must be one of {', '.join(ROLES)}, got {role[:40]!r}")
    _add(name, known, expires)


@token.command("list")
def list_tokens() -> None:
    """Every login there ever was."""
    _list(None)


@token.command("revoke")
def revoke_token(name: Name) -> None:
    """End a login, within two seconds also where it is connected."""
    _revoke(name, None)


@token.command("rotate")
def rotate_token(name: Name) -> None:
    """Give a login another token: prints it, once."""
    _rotate(name, None)


def _add(name: str, role: Role, expires_days: float | None) -> None:
    check_name(name)
    secret, now = new_token(), runtime.utc_now()
    expires_at = None if expires_days is None else now + timedelta(days=expires_days)
    _in_database(lambda connection: add_login(connection, name, role, sha256_of(secret.encode()), now, expires_at))
    _tell(name, role, secret)


def _rotate(name: str, role: Role | None) -> None:
    secret = new_token()
    _in_database(lambda connection: rotate_login(connection, name, sha256_of(secret.encode()), runtime.utc_now(), role))
    _tell(name, role, secret)


def _revoke(name: str, role: Role | None) -> None:
    _in_database(lambda connection: revoke_login(connection, name, runtime.utc_now(), role))
    typer.echo(f"{name} is revoked")


def _list(role: Role | None) -> None:
    found = [login for login in _in_database(logins) if role in (None, login.role)]
    now = runtime.utc_now()
    rows = [("NAME", "ROLE", "STATE", "SINCE"), *(_row(login, now) for login in found)]
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(login: Login, now: datetime) -> tuple[str, str, str, str]:
    return login.name, login.role, login.state(now), f"{login.changed_at:%Y-%m-%d %H:%M} UTC"


def _in_database(work: Callable[[Connection], Result]) -> Result:
    with runtime.open_database(load_settings()) as database:
        try:
            with database.writer.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise LoginError(f"the database {database} does not take it: {reason_of(error)}") from error


def _tell(name: str, role: Role | None, secret: str) -> None:
    typer.echo(f"The token of {name}, shown this once:\n\n    {secret}\n")
    typer.echo(f"It is the MQTT password of the user name {name}.")
    if role == "device":
        sample = '{"hr":75.5,"temp":36.2,"eda":0.45}'
        typer.echo(f"mosquitto_pub -u {name} -P TOKEN -q 1 -t {SENSOR_DATA.topic(name)} -m '{sample}'")
