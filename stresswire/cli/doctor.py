"""`stresswire doctor`: health checks, one line each."""

import shutil
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from models.errors import ModelError
from models.serving.card import INPUTS
from models.serving.drift import LARGE, Drift, verdict
from models.serving.predictor import Predictor
from storage.check import Finding
from storage.database import Database, DatabaseError, sqlite_file, with_driver
from storage.readings import newest_values
from stresswire import runtime
from stresswire.cli.findings import show
from stresswire.model_in_use import load_model
from stresswire.settings import Settings, SettingsError, usable_settings

READINGS: Final = 20_000
"""Number of newest readings that are compared with the training data."""
MIN_FREE_BYTES: Final = 1 << 30
CONNECT_S: Final = 3.0
MODEL_SETTINGS: Final = ("model_dir", "models", "stress_prior")
BROKER_SETTINGS: Final = ("mqtt_url", "mqtt_bind")


def doctor() -> None:
    """Check the settings, the model, the database, the disk, the broker, and the inputs for drift."""
    show(examine(*usable_settings()))


def examine(settings: Settings, errors: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the result of each check; a check that depends on an invalid setting is left out.

    `settings` and `errors` are as `usable_settings` returns them.
    """
    yield from (Finding("settings", False, error) for error in errors.values())
    predictor = None
    if errors.keys().isdisjoint(MODEL_SETTINGS):
        try:
            predictor = load_model(settings)
            yield Finding("model", True, predictor.version)
        except (ModelError, SettingsError) as error:
            yield Finding("model", False, str(error))
    yield _disk(settings)
    if errors.keys().isdisjoint(BROKER_SETTINGS):
        yield _broker(settings)
    if "database_url" not in errors:
        yield from _database(settings, predictor)


def _database(settings: Settings, predictor: Predictor | None) -> Iterator[Finding]:
    try:
        file = sqlite_file(settings.database_url.get_secret_value())
        if file is not None and not file.exists():
            _try_in_temporary_folder(settings.database_url.get_secret_value())
            yield Finding("database", True, f"does not exist yet: {file}")
            return
        with runtime.open_database(settings) as database:
            drift = [] if predictor is None else list(_drift(database, predictor))
            yield Finding("database", True, str(database))
            yield from drift
    except (DatabaseError, OSError) as error:
        yield Finding("database", False, str(error))


def _try_in_temporary_folder(url: str) -> None:
    """Open a database with the URL's options, but in a temporary folder. Raises `DatabaseError`, as `up` would."""
    with TemporaryDirectory() as folder:
        temporary = with_driver(url).set(database=str(Path(folder) / "tried.db"))
        Database(temporary.render_as_string(hide_password=False)).close()


def _disk(settings: Settings) -> Finding:
    file = sqlite_file(settings.database_url.get_secret_value())
    try:
        wanted = Path() if file is None else file.parent
        folder = next(existing for existing in (wanted, *wanted.parents) if existing.is_dir())
        free = shutil.disk_usage(folder).free
    except (OSError, StopIteration) as error:
        return Finding("disk", False, f"cannot be checked: {error}")
    return Finding("disk", free >= MIN_FREE_BYTES, f"{free / 1e9:.1f} GB free in {folder.resolve()}")


def _broker(settings: Settings) -> Finding:
    try:
        address = settings.broker_address
    except SettingsError as error:  # `up` chooses a port itself
        return Finding("broker", True, str(error))
    listener = f"{address.host}:{address.port}"
    try:
        socket.create_connection((address.host, address.port), CONNECT_S).close()
    except (OSError, UnicodeError) as error:  # a host name that cannot be encoded is a UnicodeError
        # Without an external broker `up` need not be running.
        reason = getattr(error, "strerror", None) or error
        return Finding("broker", settings.mqtt_url is None, f"nothing listens on {listener}: {reason}")
    return Finding("broker", True, f"listens on {listener}")


def _drift(database: Database, predictor: Predictor) -> Iterator[Finding]:
    with database.reading() as connection:
        drift = Drift(predictor.reference)
        drift.add(newest_values(connection, READINGS))
    for name in INPUTS:
        index = drift.index(name)
        stability = "" if index is None else f", stability index {index:.2f}"
        detail = f"{name}: {verdict(index)}{stability} (newest {drift.count(name):.0f} readings)"
        yield Finding("drift", index is None or index < LARGE, detail)
