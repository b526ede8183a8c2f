"""Checks that SQLite's files are still those that were opened, and advice if they are not.

A process keeps a file that it has open when the file is removed or replaced: commits go on, and are lost. So the file at
the path is compared with the one at the start. Only its metadata is read: to open and close one of these files would
release SQLite's locks of the whole process.
"""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from threading import Lock
from typing import Final, NoReturn

log = logging.getLogger(__name__)

_LOG: Final = 1
_KINDS: Final = ("", "-wal", "-shm")
"""Suffixes of SQLite's files: the database, its write-ahead log, and the index of the log."""
_SIZED: Final = _KINDS[:2]
"""Those that must not become shorter unnoticed. The index is mapped into memory: to truncate it kills the process."""
_RESTORE: Final = "stop the server, remove its -wal and -shm, restore a backup, and start it again"
_SAVE: Final = (
    "stop the server, copy {name} and its -wal away, remove its -wal and -shm, restore a backup, and start it again"
)
"""The copies may hold rows that the backup does not have."""
_BACK: Final = "{file} was {what} while the server runs: put the same file back, and the server goes on; or "
_REPLACED: Final = _BACK + _RESTORE
_LOG_REPLACED: Final = _BACK + "stop the server, not with kill -9, and start it again"
_UNREACHABLE: Final = "{file} cannot be reached ({what}): let the server's user into its folder, and the server goes on"
_CUT: Final = "{file} was cut short while the server runs: " + _SAVE
_OTHER: Final = "{name} has become another database, or an older copy: " + _SAVE
_CLEARED: Final = (
    "{file} has become shorter, and nothing is missing: the server goes on as soon as nobody else reads or writes"
)
_SHORTER: Final = "{file} has become shorter: the server looks what is missing"
_DAMAGED: Final = {
    "SQLITE_CORRUPT": "{name} is damaged: " + _SAVE,
    "SQLITE_NOTADB": "{name} is no database any more: " + _SAVE,
}
"""By the beginning of SQLite's name of an error. Rows that are written after these may be lost with the rest."""
_ALLOW: Final = "let the server's user read and write it, its -wal, its -shm and their folder"
_HINDERED: Final = {
    "SQLITE_IOERR_SHORT_READ": "{name} or {name}-wal ends too early: " + _SAVE,
    "SQLITE_CANTOPEN": "{name} cannot be opened: " + _ALLOW,
    "SQLITE_READONLY": "{name} is read-only: " + _ALLOW,
    "SQLITE_FULL": "database or disk is full: make room for {name}, and the server goes on",
    "SQLITE_IOERR": "disk I/O error at {name}: see that its disk is well and can be written, and the server goes on",
}
_CHECKPOINT_S: Final = 1.0
_PATIENCE_S: Final = 1.0


class FilesChangedError(sqlite3.OperationalError):
    """The files are not those that were opened; the message is one line with advice."""


@contextmanager
def spared(log: Path, *, ruined: bool = False) -> Iterator[None]:
    """Keep the log, as a kill -9 would, while connections to a damaged file are closed, also if the damage is found
    only then: SQLite would delete the log, and it may hold rows that the file does not.
    """
    aside = log.with_name(log.name + ".spared")
    with suppress(OSError):
        aside.unlink(missing_ok=True)
        aside.hardlink_to(log)  # connections that have the log open do not notice
    try:
        yield
    except BaseException as error:
        ruined = ruined or damage(getattr(error, "orig", error))
        raise
    finally:
        with suppress(OSError):
            if ruined and not log.exists():
                aside.rename(log)
            aside.unlink(missing_ok=True)


def damage(error: BaseException) -> bool:
    """Tell if SQLite's error means that the file is damaged."""
    return getattr(error, "sqlite_errorname", "").startswith(tuple(_DAMAGED))


class Files:
    """The files of one database, open until `close`; any thread may call.

    Args:
        name: the file, as the user calls it.
        path: the file that SQLite has opened under this name. The log lies beside it, also if `name` is a link.

    Raises:
        OSError, sqlite3.Error: the files do not exist any more.
    """

    def __init__(self, name: str, path: str) -> None:
        self._name = name
        self._paths = [Path(name).absolute(), *(Path(path + kind) for kind in _KINDS[1:])]
        # As long as this one is open, SQLite neither removes the log nor makes another.
        self._connection = sqlite3.connect(
            Path(path).as_uri() + "?mode=rw",
            timeout=_CHECKPOINT_S,
            isolation_level=None,
            check_same_thread=False,
            uri=True,
        )
        self._lock = Lock()
        self._folded = False
        self._ruined = ""
        self._given = 0
        try:
            self._read()
            stats = [path.stat() for path in self._paths]
        except BaseException:
            self.close()
            raise
        self._ids = [(stat.st_dev, stat.st_ino) for stat in stats]
        self._sizes = [stat.st_size for stat, _ in zip(stats, _SIZED, strict=False)]

    def close(self) -> None:
        """Close the connection; the files are not checked from now on."""
        with self._lock:
            self._connection.close()
            self._paths, self._sizes = [], []

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Wraps the end of all connections: as `spared`, if the files were found to be ruined."""
        log = self._paths[_LOG]
        self.close()
        with spared(log, ruined=True) if self._ruined else nullcontext():
            yield

    def check(self) -> None:
        """Check the files, outside of a transaction that writes. A file that has become shorter is read, and accepted if
        nothing is missing: another program has vacuumed it.

        Raises:
            FilesChangedError: it is not.
        """
        with self._alone():
            while (shorter := self._compare()) is not None:
                self._judge(shorter)

    def unchanged(self) -> None:
        """Check the files at the end of a transaction: none may have become shorter.

        Raises:
            FilesChangedError: it is not.
        """
        with self._alone():
            shorter = self._compare()
        if shorter is not None:
            raise FilesChangedError(self._say(_SHORTER, shorter))

    def look(self) -> None:
        """Check the files, and read the first pages from the disk.

        Raises:
            FilesChangedError, sqlite3.Error: it is not well.
        """
        self.check()
        with self._alone():
            self._read()

    def explain(self, error: BaseException) -> str | None:
        """Explain an error of SQLite in one line with advice; None if its own message is as good. If the file is damaged,
        nothing is written from now on.
        """
        try:
            self.check()
        except FilesChangedError as changed:
            return str(changed)
        code = getattr(error, "sqlite_errorname", "")
        for start, says in {**_DAMAGED, **_HINDERED}.items():
            if code.startswith(start):
                message = self._say(says)
                if damage(error):
                    self._ruined = message
                return message
        return None

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock. Others do not wait for long: to read a whole large file takes its time."""
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise FilesChangedError(self._say(_SHORTER))
        try:
            yield
        finally:
            self._lock.release()

    def _read(self) -> None:
        """Read the number of ids that were given. If it has become smaller, this is another database or an older copy."""
        self._connection.execute("PRAGMA shrink_memory")  # cached pages say nothing of the disk
        try:
            given = int(self._connection.execute("SELECT total(seq) FROM sqlite_sequence").fetchone()[0])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_ERROR":
                raise
            given = -1  # there is no such table
        if given < self._given:
            self._ruined = self._say(_OTHER)
            raise FilesChangedError(self._ruined)
        self._given = given

    def _compare(self) -> int | None:
        """Return the index of a file that has become shorter. Raises `FilesChangedError` if one is another file."""
        if self._ruined:
            raise FilesChangedError(self._ruined)
        sizes: list[int] = []
        for index, path in enumerate(self._paths):
            try:
                found = path.stat()
            except FileNotFoundError:
                self._moved(index, "removed or renamed")
            except OSError as error:
                raise FilesChangedError(self._say(_UNREACHABLE, index, error.strerror or "no reason given")) from error
            if (found.st_dev, found.st_ino) != self._ids[index]:
                self._moved(index, "replaced by another file")
            sizes.append(found.st_size)
        for index, before in enumerate(self._sizes):
            if sizes[index] < before:
                return index
        self._sizes = sizes[: len(_SIZED)]
        return None

    def _moved(self, index: int, what: str) -> NoReturn:
        """Raise `FilesChangedError` for a file that was moved. If it is the log, try to fold it into the database first."""
        if index >= _LOG and not self._folded:
            try:
                busy, frames, folded = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._folded = not busy and frames == folded
            except sqlite3.Error:
                log.debug("the log is folded into its file the next time", exc_info=True)
        raise FilesChangedError(self._say(_LOG_REPLACED if index >= _LOG else _REPLACED, index, what))

    def _judge(self, shorter: int) -> None:
        """Check a file that has become shorter. Raises `FilesChangedError` if rows are missing, or the log is in use."""
        try:
            self._read()
            whole = self._connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
            if whole:
                # What the log has goes into the file, which a new start would else take for empty; and the log begins anew,
                # as a commit would leave a gap in it, and after a crash nothing behind were found.
                busy, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
                if busy:
                    raise FilesChangedError(self._say(_CLEARED, shorter))
            self._sizes = [path.stat().st_size for path in self._paths[: len(_SIZED)]]
        except FilesChangedError:
            raise
        except OSError:
            return  # it was removed, which the next check reports
        except sqlite3.Error:
            whole = False
        if not whole:
            self._ruined = self._say(_CUT, shorter)
            raise FilesChangedError(self._ruined)

    def _say(self, what: str, index: int = 0, how: str = "") -> str:
        return what.format(file=self._name + _KINDS[index], name=self._name, what=how)
