"""A database looked at from all sides, and nothing changed in it: a start migrates, this only says what is there."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import Connection, create_engine, func, inspect, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from storage.database import DatabaseError, reason_of
from storage.engines import make_engine
from storage.files import damage
from storage.revisions import in_words, known_revisions, stored_revision
from storage.rollups import WIDTHS_S
from storage.sqlite_files import FileError, Header, connect_to_read, read_header, size_in_words
from storage.tables import Base, HistoryStress, Rollup

ERRORS_SHOWN: Final = 3
_ALONE: Final = (
    "no tables in it: it looks like a copy of the .db file alone, made while stresswire had it open. What was stored is in"
    " the -wal file beside the original; `stresswire db backup FILE` copies all of it"
)
_PERHAPS_ALONE: Final = (
    "; if it was copied while stresswire had it open, and without its -wal file, the newest are missing:"
    " `stresswire db backup FILE` copies all"
)
_NO_TABLES: Final = "no tables of stresswire in it"


class Finding(NamedTuple):
    """Result of one check."""

    part: str
    ok: bool
    detail: str


def check_file(path: Path, *, record: bool) -> Iterator[Finding]:
    """Yield what is found in a file of SQLite, up to what hinders the rest. `record`: it is no copy, but in use."""
    try:
        header = read_header(path)
    except FileError as error:
        yield Finding("file", False, str(error))
        return
    log = f", log {size_in_words(header.log_size)}" if header.log_size else ""
    yield Finding("file", True, f"{path}, {size_in_words(header.size)}{log}")
    try:
        with _opened(path, alone=not record and not header.log_size) as connection:
            pages = _pages(connection, copy_with_log=bool(header.log_size) and not record)
            yield pages
            if not pages.ok:
                return
            yield from _references(connection)
            alone = header.logged and not header.log_size and not record
            yield from _content(connection, _ALONE if alone else _NO_TABLES, _PERHAPS_ALONE if alone else "")
    except (SQLAlchemyError, sqlite3.Error) as error:
        yield Finding("pages", False, _why_unreadable(error, path, header))


def check_server(url: URL) -> Iterator[Finding]:
    """Yield what is found in a database of PostgreSQL."""
    shown = url.render_as_string(hide_password=True)
    try:
        engine = make_engine(url, pool_size=1, writes=False)
    except ModuleNotFoundError as error:
        raise DatabaseError(f"the database {shown} needs a package more: pip install 'stresswire[postgres]'") from error
    try:
        with engine.connect() as connection:
            yield Finding("server", True, shown)
            yield from _content(connection, _NO_TABLES, "")
    except SQLAlchemyError as error:
        yield Finding("server", False, f"{shown}: {reason_of(error)}")
    finally:
        engine.dispose()


@contextmanager
def _opened(path: Path, *, alone: bool) -> Iterator[Connection]:
    """One transaction that reads."""
    engine = create_engine("sqlite://", creator=lambda: connect_to_read(path, alone=alone), poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN")
            yield connection
    finally:
        engine.dispose()


def _pages(connection: Connection, *, copy_with_log: bool) -> Finding:
    wrong = connection.exec_driver_sql(f"PRAGMA integrity_check({ERRORS_SHOWN})").scalars().all()
    if wrong == ["ok"]:
        return Finding("pages", True, "every page and index is whole")
    both = "; file and -wal must have been copied at the same moment, with stresswire stopped" if copy_with_log else ""
    return Finding("pages", False, f"damaged: {'; '.join(wrong)}{both}")


def _references(connection: Connection) -> Iterator[Finding]:
    loose = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if loose:
        yield Finding("references", False, f"{len(loose)} rows refer to rows that are not there")


def _content(connection: Connection, no_tables: str, doubt: str) -> Iterator[Finding]:
    """Yield the revision, the tables, the readings and the rollups."""
    revision = stored_revision(connection)
    if revision is None:
        yield Finding("tables", False, no_tables)
        return
    usable, words = in_words(revision)
    yield Finding("revision", usable, words)
    if not usable:
        return
    if revision == known_revisions()[-1]:
        missing = _missing(connection)
        yield Finding("tables", not missing, f"missing: {', '.join(missing)}" if missing else "all there")
        if missing:
            return
    yield from _readings(connection, doubt, rolled_up=revision == known_revisions()[-1])


def _missing(connection: Connection) -> list[str]:
    """Return the tables, and the columns of others, that are not there."""
    inspected = inspect(connection)
    there = set(inspected.get_table_names())
    missing = sorted(set(Base.metadata.tables) - there)
    for name, table in sorted(Base.metadata.tables.items()):
        if name in there:
            columns = {column["name"] for column in inspected.get_columns(name)}
            missing += [f"{name}.{column.name}" for column in table.columns if column.name not in columns]
    return missing


def _readings(connection: Connection, doubt: str, *, rolled_up: bool) -> Iterator[Finding]:
    readings, newest = connection.execute(select(func.count(), func.max(HistoryStress.timestamp))).one()
    until = "" if newest is None else f", the newest of {newest:%Y-%m-%d %H:%M:%S} UTC"
    yield Finding("readings", True, f"{readings}{until}{doubt}")
    if not rolled_up:
        return
    sums = select(Rollup.width_s, func.sum(Rollup.readings)).group_by(Rollup.width_s)
    counted = {width: int(count) for width, count in connection.execute(sums).all()}
    wrong = [f"{counted.get(width, 0)} in buckets of {width} s" for width in WIDTHS_S if counted.get(width, 0) != readings]
    detail = f"{readings} readings, but {', '.join(wrong)}: overviews are wrong" if wrong else "as many as readings"
    yield Finding("rollups", not wrong, detail)


def _why_unreadable(error: Exception, path: Path, header: Header) -> str:
    reason = reason_of(error)
    if damage(getattr(error, "orig", None) or error):
        return f"damaged: {reason}"
    if "unable to open" in reason and header.log_size:
        return f"{path} has a log, {path}-wal, for which its folder must be writable: copy both into another folder"
    return f"{path} cannot be read: {reason}"
