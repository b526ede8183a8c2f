"""`stresswire doctor`: whether everything is as it should be, one line each."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import typer
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from models.card import INPUTS
from models.drift import LARGE, Drift, verdict
from models.errors import ModelError
from models.predictor import Predictor
from storage.database import Database, DatabaseError
from storage.people import newest_values
from stresswire import runtime
from stresswire.model_in_use import load_model
from stresswire.settings import Settings, SettingsError, load_settings

READINGS: Final = 20_000
"""The newest so many are compared with what the model was trained on."""
DISK_LEAST: Final = 1 << 30
CONNECT_S: Final = 3.0


class Finding(NamedTuple):
    """What was looked at, whether it is well, and what was found."""

    what: str
    well: bool
    found: str


def doctor() -> None:
    """Look whether everything is as it should be: model, database, disk, broker, and whether the inputs have drifted."""
    findings = list(examine(load_settings()))
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.well else 'BAD '} {finding.what:10} {finding.found}")
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding; what cannot be looked at because something else is not well is left out."""
    predictor = None
    try:
        predictor = load_model(settings)
        yield Finding("model", True, predictor.version)
    except (ModelError, SettingsError) as error:
        yield Finding("model", False, str(error))
    yield _disk(settings)
    yield _broker(settings)
    file = _file(settings)
    if file is not None and not file.is_file():
        yield Finding("database", True, f"no record yet: {file}")
        return
    try:
        with runtime.open_database(settings) as database:
            yield Finding("database", True, str(database))
            if predictor is not None:
                yield from _drift(database, predictor)
    except DatabaseError as error:
        yield Finding("database", False, str(error))


def _file(settings: Settings) -> Path | None:
    """The file of SQLite; None for another database, and for what is no URL, which opening it says."""
    try:
        url = make_url(settings.database_url.get_secret_value())
    except ArgumentError:
        return None
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def _disk(settings: Settings) -> Finding:
    folder = (_file(settings) or Path("here")).parent
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding("disk", free >= DISK_LEAST, f"{free / 1e9:.1f} GB free in {folder.resolve()}")


def _broker(settings: Settings) -> Finding:
    address = settings.broker_address
    where = f"{address.host}:{address.port}"
    try:
        socket.create_connection((address.host, address.port), CONNECT_S).close()
    except OSError as error:
        # The embedded broker is there while `up` runs, and only then.
        return Finding("broker", settings.mqtt_url is None, f"nothing listens on {where}: {error.strerror or error}")
    return Finding("broker", True, f"listens on {where}")


def _drift(database: Database, predictor: Predictor) -> Iterator[Finding]:
    with database.reader.connect() as connection:
        values = newest_values(connection, READINGS)
    drift = Drift(predictor.reference)
    drift.add(values)
    for name in INPUTS:
        index = drift.index(name)
        shown = "" if index is None else f", stability index {index:.2f}"
        text = f"{name}: {verdict(index)}{shown} (newest {drift.count(name):.0f} readings)"
        yield Finding("drift", index is None or index < LARGE, text)
