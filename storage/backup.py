"""Copies of SQLite's record while it is in use, by SQLite's online backup, verified before they have their name.

All pages are read within one transaction that reads: the copy is the record at one instant, with everything that was
committed before it, and the writer does not wait. Meanwhile the log only grows. Without that transaction SQLite would
begin anew after each commit of another process, and of a busy record it would never have a copy. `VACUUM INTO` gives a
snapshot too, some percent smaller, but in more than twice the time, for which it keeps the log from being folded in.

Browser sessions are left out: in a copy that is restored, those that have ended since would go on.
"""

import contextlib
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from storage.files import damage
from storage.sqlite_files import companions, connect_to_read, size_in_words

Stopping = Callable[[], bool]
"""Returns true as soon as the copy is no longer wanted; asked often, in the thread that copies."""

SPARE: Final = 64_000_000
"""Bytes that a copy leaves free on the disk of the record, which still has to grow."""
_PAGES: Final = 256
"""Pages of a step, mostly a megabyte."""
_OPERATIONS: Final = 100_000
_TEMPORARY: Final = ".stresswire-backup-"
_ABANDONED_S: Final = 3_600.0
"""A temporary file that was not written to for so long is that of a process that was killed."""
_REVISION: Final = "SELECT version_num FROM alembic_version"
_GIVEN: Final = "SELECT name, seq FROM sqlite_sequence ORDER BY name"
_READINGS: Final = "SELECT count(*), max(timestamp) FROM history_stress"
_SESSIONS: Final = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'sessions'"


class BackupError(Exception):
    """There is no copy, and nothing of it is left; the message is one line for the user."""


class NoRoomError(BackupError):
    """The disk has not enough room for the copy."""


class BackupStoppedError(BackupError):
    """The copy was no longer wanted."""


class Backup(NamedTuple):
    """A verified copy: bytes, revision of the tables, readings, and the newest one's time in UTC as the record has it."""

    size: int
    revision: str
    readings: int
    newest: str | None


def back_up(record: Path, out: Path, stopping: Stopping, *, replace: bool) -> Backup:
    """Copy the record to `out`, where another file is only written over with `replace`.

    Raises:
        BackupError: there is no copy; what was at `out` is still there.
    """
    try:
        _check_target(record, out, replace=replace)
    except OSError as error:
        raise BackupError(f"cannot write {out}: {error.strerror}") from error
    with verified_copy(record, out.parent, stopping) as (temporary, backup):
        try:
            _publish(temporary, out, replace=replace)
        except FileExistsError as error:
            raise _exists(out) from error
        except OSError as error:
            raise BackupError(f"cannot write {out}: {error.strerror}") from error
    return backup


@contextmanager
def verified_copy(record: Path, folder: Path, stopping: Stopping) -> Iterator[tuple[Path, Backup]]:
    """Make a copy under a temporary name in a folder, for the user alone, and remove it at the end if it is still there.

    Raises:
        BackupError: there is no copy.
    """
    _remove_abandoned(folder)
    temporary = folder / f"{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise BackupError(f"cannot write into the folder {folder}: {error.strerror}") from error
    try:
        yield temporary, _copy(record, temporary, stopping)
    finally:
        for path in (temporary, *companions(temporary)):
            # Windows removes no file that is open: the next copy does.
            with contextlib.suppress(FileNotFoundError, PermissionError):
                path.unlink()


def _check_target(record: Path, out: Path, *, replace: bool) -> None:
    """Raise `BackupError` for a path where no copy belongs, and OSError if that cannot be looked up."""
    if out.is_dir():
        raise BackupError(f"{out} is a folder: name a file in it")
    if not out.parent.is_dir():
        raise BackupError(
            f"{out.parent} is {'not a folder' if out.parent.exists() else 'not there: make the folder first'}"
        )
    own = (record, *companions(record))
    if out.resolve() in [path.resolve() for path in own] or any(_same(out, path) for path in own):
        raise BackupError(f"{out} belongs to the record itself: name another file")
    if os.path.lexists(out):
        if not replace:
            raise _exists(out)
        if out.is_symlink() or not out.is_file():
            raise BackupError(f"{out} is not a regular file: name another one")
    for path in companions(out):
        if path.exists():
            raise BackupError(f"{path} belongs to another database of that name: move it away, or name another file")


def _exists(out: Path) -> BackupError:
    return BackupError(f"{out} exists already: name another file, or write over it with --force")


def _same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)


def _remove_abandoned(folder: Path) -> None:
    """Remove what processes left that were killed."""
    for path in folder.glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError):  # it is gone already, or somebody else's
            if time.time() - path.stat().st_mtime > _ABANDONED_S:
                path.unlink()


def _copy(record: Path, temporary: Path, stopping: Stopping) -> Backup:
    try:
        with closing(connect_to_read(record)) as source, closing(sqlite3.connect(temporary, isolation_level=None)) as copy:
            source.execute("BEGIN")
            given, revision = _state(source)
            _check_room(source, record, temporary.parent)
            _read_pages(source, copy, stopping)
            source.execute("ROLLBACK")  # the log may be folded in while the copy is read
            backup = _verified(copy, given, revision, stopping)
        _sync(temporary)
        return backup._replace(size=temporary.stat().st_size)
    except sqlite3.Error as error:
        raise _failed(error, record, temporary.parent, stopping) from error
    except OSError as error:
        raise BackupError(f"cannot write into the folder {temporary.parent}: {error.strerror}") from error


def _state(connection: sqlite3.Connection) -> tuple[list[Any], str]:
    """Return the ids that were given, by table, and the revision. Raises `BackupError` if it is no record."""
    try:
        revision = connection.execute(_REVISION).fetchone()
        given = connection.execute(_GIVEN).fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_ERROR":
            raise
        revision = None
    if revision is None:
        raise BackupError("the database has no tables of stresswire: there is nothing to copy")
    return given, str(revision[0])


def _check_room(source: sqlite3.Connection, record: Path, folder: Path) -> None:
    size = int(source.execute("PRAGMA page_count").fetchone()[0]) * int(source.execute("PRAGMA page_size").fetchone()[0])
    spare = SPARE if folder.stat().st_dev == record.stat().st_dev else 0
    free = shutil.disk_usage(folder).free
    if free < size + spare:
        left = f" and {size_in_words(spare)} that must stay free for the record" if spare else ""
        needed = f"the copy needs {size_in_words(size)}{left}"
        raise NoRoomError(f"not enough room in {folder}: {needed}, and {size_in_words(free)} are free")


def _read_pages(source: sqlite3.Connection, copy: sqlite3.Connection, stopping: Stopping) -> None:
    """Read all pages into the copy, and make it a file that needs no log."""

    def after_each_step(_status: int, _remaining: int, _total: int) -> None:
        if stopping():
            raise BackupStoppedError("stopped: there is no copy")

    # Nobody sees the copy before it is whole and on the disk: it needs neither a journal nor locks nor order.
    for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=OFF", "synchronous=OFF"):
        copy.execute(f"PRAGMA {pragma}")
    source.backup(copy, pages=_PAGES, progress=after_each_step)
    for mode in ("DELETE", "OFF"):
        copy.execute(f"PRAGMA journal_mode={mode}")


def _verified(copy: sqlite3.Connection, given: list[Any], revision: str, stopping: Stopping) -> Backup:
    """Leave the sessions out, read the copy whole, and compare it with the record. Raises `BackupError` if it differs."""
    copy.set_progress_handler(stopping, _OPERATIONS)
    if copy.execute(_SESSIONS).fetchone()[0]:
        copy.execute("PRAGMA secure_delete=ON")
        copy.execute("DELETE FROM sessions")
    wrong = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if wrong != "ok":
        raise BackupError(f"the record is damaged, `stresswire db check` says more; there is no copy: {wrong}")
    if _state(copy) != (given, revision):
        raise BackupError("the copy is not what the record was: try again")
    readings, newest = copy.execute(_READINGS).fetchone()
    return Backup(0, revision, readings, newest)


def _failed(error: sqlite3.Error, record: Path, folder: Path, stopping: Stopping) -> BackupError:
    if stopping():
        return BackupStoppedError("stopped: there is no copy")
    if damage(error):
        return BackupError(f"the record is damaged, `stresswire db check` says more; there is no copy: {error}")
    if getattr(error, "sqlite_errorname", "") == "SQLITE_FULL":
        return NoRoomError(f"not enough room in {folder}: the disk is full; there is no copy")
    return BackupError(f"cannot copy {record} into the folder {folder}: {error}")


def _sync(path: Path) -> None:
    """Wait until a file is on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _publish(temporary: Path, out: Path, *, replace: bool) -> None:
    """Give the copy its name. Raises FileExistsError, and other OSErrors."""
    if replace:
        temporary.replace(out)
    else:
        try:
            out.hardlink_to(temporary)  # unlike a renaming it never replaces what came there meanwhile
        except FileExistsError:
            raise
        except OSError:  # FAT has no links
            temporary.rename(out)
    if os.name == "posix":
        descriptor = os.open(out.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
