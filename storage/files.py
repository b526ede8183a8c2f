"""SQLite's files under a running server: whether they still are what was opened, and what to do where they are not.

Who has a file open keeps it when it is removed or replaced: commits go on, and nobody finds them again. So what stands at
the path is compared with what was there at the start. Only the names are looked at: to open and close one of these files
would take SQLite's locks from the whole process.
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
"""What SQLite adds to the name: its file, the log of what was committed, and the log's index."""
_SIZED: Final = _KINDS[:2]
"""Those that may not become shorter unseen. The index is mapped: who cuts it short has the process killed."""
_RESTORE: Final = "stop the server, remove its -wal and -shm, restore a backup, and start it again"
_SAVE: Final = (
    "stop the server, copy {name} and its -wal away, remove its -wal and -shm, restore a backup, and start it again"
)
"""With the copies more may be found than the backup has."""
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
"""By the first words of SQLite's name for an error. What is written after these may be lost with the rest."""
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
    """The files are not what was opened; the message is one line that says what to do."""


@contextmanager
def spared(log: Path, *, ruined: bool = False) -> Iterator[None]:
    """Around the end of connections to a file that is damaged, or in which damage is found now: its log stays as a kill -9
    would leave it. SQLite would throw it away, and it may have what the file has not.
    """
    aside = log.with_name(log.name + ".spared")
    with suppress(OSError):
        aside.unlink(missing_ok=True)
        aside.hardlink_to(log)  # who has the log open sees nothing of it
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
    """Whether SQLite says that the file is damaged."""
    return getattr(error, "sqlite_errorname", "").startswith(tuple(_DAMAGED))


class Files:
    """The files of one database, open until `close`; any thread may call.

    Args:
        name: the file, as the user calls it.
        path: what SQLite has opened under this name. The log lies beside it, also where `name` is a link.

    Raises:
        OSError, sqlite3.Error: they are not there any more.
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
            found = [one.stat() for one in self._paths]
        except BaseException:
            self.close()
            raise
        self._ids = [(one.st_dev, one.st_ino) for one in found]
        self._sizes = [one.st_size for one, _ in zip(found, _SIZED, strict=False)]

    def close(self) -> None:
        """Give them back; from now on they may be anything."""
        with self._lock:
            self._connection.close()
            self._paths, self._sizes = [], []

    @contextmanager
    def closing(self) -> Iterator[None]:
        """Around the end of all connections: `spared`, where the files were found to be ruined."""
        log = self._paths[_LOG]
        self.close()
        with spared(log, ruined=True) if self._ruined else nullcontext():
            yield

    def check(self) -> None:
        """Whether all is as it was; outside of a transaction that writes. A file that has become shorter is read, and well
        where nothing of it is missing: another program has cleared it up.

        Raises:
            FilesChangedError: it is not.
        """
        with self._alone():
            while (shorter := self._compare()) is not None:
                self._judge(shorter)

    def unchanged(self) -> None:
        """The same, and nothing may have become shorter: for the end of a transaction.

        Raises:
            FilesChangedError: it is not.
        """
        with self._alone():
            shorter = self._compare()
        if shorter is not None:
            raise FilesChangedError(self._say(_SHORTER, shorter))

    def look(self) -> None:
        """`check`, and read what SQLite reads first, from the disk.

        Raises:
            FilesChangedError, sqlite3.Error: it is not well.
        """
        self.check()
        with self._alone():
            self._read()

    def explain(self, error: BaseException) -> str | None:
        """What an error of SQLite's means, in one line with what to do; None where its own words are as good. Where it is
        that the file is damaged, nothing is written from now on.
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
        """To read a large file through takes its time: meanwhile nobody else waits for long."""
        if not self._lock.acquire(timeout=_PATIENCE_S):
            raise FilesChangedError(self._say(_SHORTER))
        try:
            yield
        finally:
            self._lock.release()

    def _read(self) -> None:
        """Ids are never given twice: fewer of them are another database, or an older copy of this one."""
        self._connection.execute("PRAGMA shrink_memory")  # what is remembered says nothing of the disk
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
        """Which file has become shorter. Raises `FilesChangedError` where one is another."""
        if self._ruined:
            raise FilesChangedError(self._ruined)
        sizes: list[int] = []
        for at, path in enumerate(self._paths):
            try:
                found = path.stat()
            except FileNotFoundError:
                self._moved(at, "removed or renamed")
            except OSError as error:
                raise FilesChangedError(self._say(_UNREACHABLE, at, error.strerror or "no reason given")) from error
            if (found.st_dev, found.st_ino) != self._ids[at]:
                self._moved(at, "replaced by another file")
            sizes.append(found.st_size)
        for at, before in enumerate(self._sizes):
            if sizes[at] < before:
                return at
        self._sizes = sizes[: len(_SIZED)]
        return None

    def _moved(self, at: int, what: str) -> NoReturn:
        """What was committed is in the log alone, until it is folded into the file: then it is safe without the log."""
        if at >= _LOG and not self._folded:
            try:
                busy, frames, folded = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._folded = not busy and frames == folded
            except sqlite3.Error:
                log.debug("the log is folded into its file the next time", exc_info=True)
        raise FilesChangedError(self._say(_LOG_REPLACED if at >= _LOG else _REPLACED, at, what))

    def _judge(self, shorter: int) -> None:
        """Raises `FilesChangedError` where something is missing, for good, or where the log is in use."""
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
            return  # it is gone, and the next look says so
        except sqlite3.Error:
            whole = False
        if not whole:
            self._ruined = self._say(_CUT, shorter)
            raise FilesChangedError(self._ruined)

    def _say(self, what: str, at: int = 0, how: str = "") -> str:
        return what.format(file=self._name + _KINDS[at], name=self._name, what=how)
