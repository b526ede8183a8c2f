"""`stresswire doctor`: whether everything is as it should be, one line each."""

import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import typer

from models.errors import ModelError
from models.serving.card import INPUTS
from models.serving.drift import LARGE, Drift, verdict
from models.serving.predictor import Predictor
from storage.database import Database, DatabaseError, sqlite_file, with_driver
from storage.readings import newest_values
from stresswire import runtime
from stresswire.cli.one_line import one_line
from stresswire.model_in_use import load_model
from stresswire.settings import Settings, SettingsError, usable_settings

READINGS: Final = 20_000
"""The newest so many are compared with what the model was trained on."""
DISK_LEAST: Final = 1 << 30
CONNECT_S: Final = 3.0
MODEL_SETTINGS: Final = ("model_dir", "models", "stress_prior")
BROKER_SETTINGS: Final = ("mqtt_url", "mqtt_bind")


class Finding(NamedTuple):
    """What was looked at, whether it is well, and what was found."""

    what: str
    well: bool
    found: str


def doctor() -> None:
    """Look whether everything is as it should be: model, database, disk, broker, and whether the inputs have drifted."""
    well = True
    for finding in examine(*usable_settings()):
        typer.echo(f"{'ok  ' if finding.well else 'BAD '} {finding.what:10} {one_line(finding.found)}")
        well = well and finding.well
    if not well:
        raise typer.Exit(1)


def examine(settings: Settings, flaws: Mapping[str, str]) -> Iterator[Finding]:
    """Every finding; what cannot be looked at because something else is not well is left out.

    `flaws` are the settings that cannot be used, as `usable_settings` has them.
    """
    yield from (Finding("settings", False, flaw) for flaw in flaws.values())
    predictor = None
    if flaws.keys().isdisjoint(MODEL_SETTINGS):
        try:
            predictor = load_model(settings)
            yield Finding("model", True, predictor.version)
        except (ModelError, SettingsError) as error:
            yield Finding("model", False, str(error))
    yield _disk(settings)
    if flaws.keys().isdisjoint(BROKER_SETTINGS):
        yield _broker(settings)
    if "database_url" not in flaws:
        yield from _database(settings, predictor)


def _database(settings: Settings, predictor: Predictor | None) -> Iterator[Finding]:
    try:
        file = sqlite_file(settings.database_url.get_secret_value())
        if file is not None and not file.exists():
            _try_elsewhere(settings.database_url.get_secret_value())
            yield Finding("database", True, f"no record yet: {file}")
            return
        with runtime.open_database(settings) as database:
            drift = [] if predictor is None else list(_drift(database, predictor))
            yield Finding("database", True, str(database))
            yield from drift
    except (DatabaseError, OSError) as error:
        yield Finding("database", False, str(error))


def _try_elsewhere(url: str) -> None:
    """Open a database as the URL says, but in a folder of its own. Raises `DatabaseError`, as `up` would."""
    with TemporaryDirectory() as folder:
        beside = with_driver(url).set(database=str(Path(folder) / "tried.db"))
        Database(beside.render_as_string(hide_password=False)).close()


def _disk(settings: Settings) -> Finding:
    file = sqlite_file(settings.database_url.get_secret_value())
    try:
        place = Path() if file is None else file.parent
        folder = next(one for one in (place, *place.parents) if one.is_dir())
        free = shutil.disk_usage(folder).free
    except (OSError, StopIteration) as error:
        return Finding("disk", False, f"cannot be looked at: {error}")
    return Finding("disk", free >= DISK_LEAST, f"{free / 1e9:.1f} GB free in {folder.resolve()}")


def _broker(settings: Settings) -> Finding:
    try:
        address = settings.broker_address
    except SettingsError as error:  # `up` has a port nevertheless
        return Finding("broker", True, str(error))
    where = f"{address.host}:{address.port}"
    try:
        socket.create_connection((address.host, address.port), CONNECT_S).close()
    except (OSError, UnicodeError) as error:  # a name that cannot be looked up may be a UnicodeError
        # The embedded broker is there while `up` runs, and only then.
        reason = getattr(error, "strerror", None) or error
        return Finding("broker", settings.mqtt_url is None, f"nothing listens on {where}: {reason}")
    return Finding("broker", True, f"listens on {where}")


def _drift(database: Database, predictor: Predictor) -> Iterator[Finding]:
    with database.reading() as connection:
        drift = Drift(predictor.reference)
        drift.add(newest_values(connection, READINGS))
    for name in INPUTS:
        index = drift.index(name)
        shown = "" if index is None else f", stability index {index:.2f}"
        text = f"{name}: {verdict(index)}{shown} (newest {drift.count(name):.0f} readings)"
        yield Finding("drift", index is None or index < LARGE, text)
