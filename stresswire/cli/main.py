"""The command line. A user's error is one line on stderr and exit status 2."""

import logging
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, get_args

import typer

from broker.address import MqttAddress
from broker.bus import BusError
from broker.contract import DEVICE_ID_RULE, HistoryRequest
from broker.contract.requests import suggestion
from broker.contract.samples import valid_device_id
from gateway.service import GatewayError
from models import batch
from models.errors import ModelError, RecordingError
from storage.backup import BackupError
from storage.database import Database, DatabaseError
from storage.devices import device as find_device
from storage.devices import device_names
from storage.export import ExportError, Format, export_to
from storage.history import HistoryError, scope_of
from storage.logins import LoginError
from stresswire import __version__, event_loop, runtime
from stresswire.cli.database import database
from stresswire.cli.doctor import doctor
from stresswire.cli.logins import device, token
from stresswire.cli.models import evaluate, model, train
from stresswire.cli.one_line import one_line
from stresswire.cli.progress import progress_lines
from stresswire.model_in_use import load_model
from stresswire.replay import choose, replay
from stresswire.settings import SettingsError, load_settings
from stresswire.simulate import simulate

USER_ERRORS = (
    BackupError,
    BusError,
    DatabaseError,
    ExportError,
    GatewayError,
    HistoryError,
    LoginError,
    ModelError,
    RecordingError,
    SettingsError,
)

_MOST_NAMES: Final = 1_000
"""Devices among which the one that is meant is looked for."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Real-time stress monitoring over MQTT.",
)
app.add_typer(database, name="db")
app.add_typer(device, name="device")
app.add_typer(token, name="token")
app.add_typer(model, name="model")
app.command()(train)
app.command()(evaluate)
app.command()(doctor)

Recording = Annotated[
    Path,
    typer.Argument(help="subject,t,hr,temp,eda as CSV or JSON Lines, also gzip; or an export", exists=True, dir_okay=False),
]


def main() -> None:
    """Run the `stresswire` command."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("amqtt", "transitions", "alembic"):
        # amqtt logs every client that disconnects as an error.
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        app()
    except USER_ERRORS as error:
        _exit(error)
    except BaseExceptionGroup as group:
        # A task group raises a group; a user's error in it is still one line.
        if group.split(USER_ERRORS)[1] is not None:
            raise
        _exit(_first(group))


def _exit(error: BaseException) -> NoReturn:
    typer.echo(f"stresswire: {one_line(error)}", err=True)
    sys.exit(2)


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stresswire {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Real-time stress monitoring over MQTT."""
    del version


@app.command()
def up(demo: Annotated[bool, typer.Option(help="Simulate one person as well.")] = False) -> None:
    """Run broker, ingest and gateway in one process."""
    event_loop.run(runtime.up(load_settings(), typer.echo, demo=demo))


@app.command()
def broker() -> None:
    """Run the embedded broker alone."""
    _serve(runtime.serve_broker)


@app.command()
def ingest() -> None:
    """Run ingest alone, on the broker of STRESSWIRE_MQTT_URL."""
    _serve(runtime.serve_ingest)


@app.command()
def gateway() -> None:
    """Run the gateway alone, on the broker of STRESSWIRE_MQTT_URL."""
    _serve(runtime.serve_gateway)


@app.command(name="replay")
def replay_(
    file: Recording,
    subject: Annotated[list[str] | None, typer.Option(help="Only this person; may be repeated.")] = None,
    speed: Annotated[
        float,
        typer.Option(
            min=0.1, max=10_000, help="60: a minute in a second. Alerts more than ten minutes before the end are late."
        ),
    ] = 1.0,
) -> None:
    """Publish recordings of people as devices over MQTT."""
    recordings = choose(file, subject or [], progress_lines)
    tallies = event_loop.run(replay(_broker(), recordings, speed, runtime.utc_now, typer.echo))
    sent, stored = sum(tally.sent for tally in tallies.values()), sum(tally.stored for tally in tallies.values())
    typer.echo(f"{len(tallies)} people, {sent} samples sent, {stored} stored, {sent - stored} refused")


@app.command(name="simulate")
def simulate_(device: Annotated[str, typer.Option(help="The device's name.")] = "simulated") -> None:
    """Publish a simulated person over MQTT until Ctrl-C."""
    if valid_device_id(device) is None:
        raise SettingsError(f"--device must be {DEVICE_ID_RULE}, got {device!r}")
    typer.echo(f"{device} sends once a second to {_broker()}; Ctrl-C stops.")
    try:
        event_loop.run(simulate(_broker(), device, runtime.utc_now))
    except KeyboardInterrupt:
        typer.echo("stopped")


@app.command()
def predict(
    file: Recording,
    out: Annotated[Path, typer.Argument(help="subject,t,p_stress,level, one row for each row")],
) -> None:
    """Score recordings offline, with the code that scores live."""
    batch.predict_file(file, out, load_model(load_settings()), progress_lines)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="The file; its suffix chooses the format: .csv, .jsonl or .parquet.")],
    device: Annotated[str | None, typer.Option(help="Only this device.")] = None,
    start: Annotated[str | None, typer.Option(help="From this day or time on, such as 2024-12-10.")] = None,
    end: Annotated[str | None, typer.Option(help="To this day or time, inclusive.")] = None,
) -> None:
    """Write the stored readings to a file."""
    kind = next((known for known in get_args(Format) if out.suffix == f".{known}"), None)
    if kind is None:
        raise ExportError(f"{out} must end in one of {', '.join(f'.{known}' for known in get_args(Format))}")
    request = HistoryRequest(start_date=start, end_date=end, device_id=device)
    with runtime.open_database(load_settings()) as opened:
        if device is not None:
            _check_device(opened, device)
        typer.echo(f"{export_to(out, opened, scope_of(request, None), kind)} readings in {out}")


def _check_device(opened: Database, name: str) -> None:
    """Raise `ExportError` for a device that never sent anything: an empty file would look like an answer."""
    with opened.reader.connect() as connection:
        if find_device(connection, name) is not None:
            return
        known = device_names(connection, _MOST_NAMES)
    others = f"there are {', '.join(known[:8])}{' ...' if len(known) > 8 else ''}" if known else "there are none at all"
    raise ExportError(f"there are no readings of a device {name!r}{suggestion(name, known, others)}")


def _serve(serve_part: Callable[..., Coroutine[Any, Any, None]]) -> None:
    event_loop.run(serve_part(load_settings(), typer.echo))


def _broker() -> MqttAddress:
    return load_settings().broker_address
