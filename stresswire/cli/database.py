"""`stresswire db`: the record's tables, copies of it, and whether it is well."""

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer
from sqlalchemy.engine import URL

from storage.backup import BackupError, BackupStoppedError, back_up
from storage.check import Finding, check_file, check_server
from storage.database import file_of, usable_url
from storage.sqlite_files import FileError, read_header, size_in_words
from stresswire import runtime
from stresswire.cli.findings import show
from stresswire.cli.one_line import one_line
from stresswire.settings import load_settings

_STOPPING: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
"""The last is that of Windows, where there is no SIGHUP."""

database = typer.Typer(no_args_is_help=True, help="The database: its tables, copies of it, and whether it is well.")


@database.command()
def upgrade() -> None:
    """Migrate the database to the newest revision."""
    with runtime.open_database(load_settings()) as opened:
        typer.echo(f"{opened} is up to date")


@database.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The copy: a new file, such as backups/2026-01-31.db.")],
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Copy the record to a file, also while stresswire runs and stores, and verify the copy."""
    url = _url()
    record = file_of(url)
    if record is None:
        raise BackupError(_use_pg_dump(url, file))
    try:
        read_header(record)
    except FileError as error:
        raise BackupError(f"cannot copy the record: {error} ({_where(record)})") from error
    with _signals() as received:
        try:
            made = back_up(record, file, lambda: bool(received), replace=force)
        except BackupStoppedError as error:
            typer.echo(f"stresswire: {one_line(error)}", err=True)
            raise typer.Exit(128 + received[0]) from error
    until = "" if made.newest is None else f", the newest of {made.newest[:19]} UTC"
    typer.echo(f"{file}: {size_in_words(made.size)}, {made.readings} readings{until}; verified")


@database.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="A copy; without it the record that is in use.")] = None,
) -> None:
    """Look whether the record, or a copy of it, is whole, and which stresswire can use it; changes nothing."""
    url = _url()
    record = file_of(url)
    if file is not None:
        is_record = record is not None and record.exists() and file.exists() and file.samefile(record)
        show(check_file(file, record=is_record))
    elif record is None:
        show(check_server(url))
    elif not record.exists():
        show([Finding("file", False, f"there is no file {record} ({_where(record)})")])
    else:
        show(check_file(record, record=True))


def _url() -> URL:
    return usable_url(load_settings().database_url.get_secret_value())


def _where(record: Path) -> str:
    return "see STRESSWIRE_DATABASE_URL" if record.is_absolute() else f"in {Path.cwd()}; see STRESSWIRE_DATABASE_URL"


def _use_pg_dump(url: URL, file: Path) -> str:
    """Return the words for a database that has a program of its own for copies. The password stays out of it."""
    plain = URL.create("postgresql", url.username, host=url.host, port=url.port, database=url.database).render_as_string()
    command = shlex.join(["pg_dump", "--format=custom", f"--file={file}", plain])
    return f"the record is in PostgreSQL, whose own program copies it: {command} (it asks for the password)"


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that ask this process to end, instead of ending in the middle of a file."""
    received: list[int] = []
    before = {number: signal.signal(number, lambda came, _frame: received.append(came)) for number in _STOPPING}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
