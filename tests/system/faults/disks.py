"""Disks that fail a running process: full, read-only, broken. Each is brought about and lifted while files are open."""

import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

SMALL_MB: Final = 12
WRITABLE: Final = 4_096
"""Bytes of a file that a process may still write when its disk is broken: every file of ours is longer by then."""


class DiskFault(ABC):
    """A fault of the disk under `folder`, where the process `pid` keeps its database."""

    says: str
    """A part of what the database calls it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    @contextmanager
    def made(cls, folder: Path) -> Iterator["DiskFault"]:
        """The disk, for the time of the `with`."""
        yield cls(folder)

    @abstractmethod
    def begin(self, pid: int) -> None: ...

    @abstractmethod
    def end(self, pid: int) -> None: ...


class Full(DiskFault):
    """A small tmpfs, and a file that takes all the rest of it."""

    says = "full"

    @classmethod
    @contextmanager
    def made(cls, folder: Path) -> Iterator[DiskFault]:
        _needs_root()
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_MB}m", "stresswire-test", folder], check=True)
        try:
            yield cls(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)

    def begin(self, pid: int) -> None:
        del pid
        with (self.folder / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4_096))
            except OSError:
                """That is all of it."""

    def end(self, pid: int) -> None:
        del pid
        (self.folder / "ballast").unlink()


class ReadOnly(DiskFault):
    """The files become immutable: also who has them open can no longer write. A remount would refuse while they are."""

    says = "disk I/O error"  # SQLite's words for EPERM

    @classmethod
    @contextmanager
    def made(cls, folder: Path) -> Iterator[DiskFault]:
        _needs_root()
        folder.mkdir()
        probe = folder / "probe"
        probe.touch()
        if subprocess.run(["chattr", "+i", probe], capture_output=True, check=False).returncode:
            pytest.skip("this file system has no immutable files")
        subprocess.run(["chattr", "-i", probe], check=True)
        fault = cls(folder)
        try:
            yield fault
        finally:
            fault.end(0)

    def begin(self, pid: int) -> None:
        del pid
        subprocess.run(["chattr", "+i", *self._files], check=True)

    def end(self, pid: int) -> None:
        del pid
        for path in self._files:
            subprocess.run(["chattr", "-i", path], check=True)

    @property
    def _files(self) -> list[Path]:
        # Not the shared memory, which is mapped: where a file system turns read-only under it, a write is a SIGBUS.
        return [path for path in self.folder.glob("record.db*") if not path.name.endswith("-shm")]


class Broken(DiskFault):
    """Every write beyond the beginning of a file fails, by the process's limit on file sizes."""

    says = "disk I/O error"

    @classmethod
    @contextmanager
    def made(cls, folder: Path) -> Iterator[DiskFault]:
        folder.mkdir()
        yield cls(folder)

    def begin(self, pid: int) -> None:
        subprocess.run(["prlimit", f"--pid={pid}", f"--fsize={WRITABLE}:unlimited"], check=True)

    def end(self, pid: int) -> None:
        subprocess.run(["prlimit", f"--pid={pid}", "--fsize=unlimited:unlimited"], check=True)


def _needs_root() -> None:
    if os.getuid():
        pytest.skip("only root can mount a disk and make files immutable")
