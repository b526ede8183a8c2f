"""PostgreSQL for the tests: a new cluster on a free port, removed at the end."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Self

import psycopg
from psycopg import sql

from tests.support.harness import Process, free_port

FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
"""Settings for tests that do not kill the server."""
USER = "stresswire"


def programs() -> Path:
    """Return the folder of the newest PostgreSQL that Debian installed. Raises `FileNotFoundError`."""
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        raise FileNotFoundError(2, "not installed", "initdb")
    return max(folders, key=lambda path: int(path.parent.name))


def as_postgres() -> tuple[str, ...]:
    """Return the command prefix to run as the user postgres: PostgreSQL does not run as root."""
    return ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups") if os.getuid() == 0 else ()


class PostgresServer:
    """PostgreSQL server that the `with` starts; `kill` and `start` may be called within.

    Args:
        host: address in its URLs.
        prefix: command that starts it, such as one that enters a network namespace.
        settings: `name=value` each, in addition to the defaults.
        listen: addresses that it listens on; default `host`.
    """

    def __init__(
        self, host: str = "127.0.0.1", prefix: Sequence[str] = (), settings: Sequence[str] = (), listen: str | None = None
    ) -> None:
        self.host = host
        self._listen = listen or host
        self.port = free_port()
        self._prefix = tuple(prefix)
        self._settings = ("log_min_messages=log", "unix_socket_directories=", "max_connections=50", *settings)
        self._folder = Path(tempfile.mkdtemp(prefix="postgres"))
        self._process: Process | None = None
        self._numbers = count(1)

    @property
    def url(self) -> str:
        """URL of the database that exists from the start."""
        return self.url_of("postgres")

    @property
    def pid(self) -> int:
        """Id of the server's first process."""
        return int((self._folder / "data" / "postmaster.pid").read_text().split()[0])

    def url_of(self, name: str) -> str:
        return f"postgresql://{USER}@{self.host}:{self.port}/{name}"

    def create(self) -> str:
        """Create a database, and return its URL."""
        name = f"test{next(self._numbers)}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} STRATEGY file_copy").format(sql.Identifier(name)))
        return self.url_of(name)

    def start(self) -> None:
        """Start, and wait until it accepts connections; after a crash this includes the recovery."""
        settings = [argument for setting in self._settings for argument in ("-c", setting)]
        address = ("-h", self._listen, "-p", str(self.port))
        command = [*self._prefix, *as_postgres(), programs() / "postgres", "-D", self._folder / "data", *address, *settings]
        self._process = Process([str(part) for part in command], cwd=Path("/"))
        self._process.wait_for("database system is ready to accept connections")

    def kill(self) -> None:
        """Send SIGKILL to every process of the server."""
        assert self._process is not None
        self.signal(signal.SIGKILL)
        self._process.wait()

    def signal(self, sign: signal.Signals) -> None:
        """Send a signal to every process of the server; after SIGSTOP it does not answer."""
        for pid in (self.pid, *_children(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, sign)

    def __enter__(self) -> Self:
        if os.getuid() == 0:
            shutil.chown(self._folder, "postgres", "postgres")
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions", "-U", USER)
        command = [*as_postgres(), programs() / "initdb", "-D", self._folder / "data", *options]
        subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, timeout=60, cwd="/")
        with (self._folder / "data" / "pg_hba.conf").open("a") as rights:
            rights.write("host all all 10.0.0.0/8 trust\n")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send(signal.SIGQUIT)  # at once, without a last checkpoint
            self._process.wait()
        shutil.rmtree(self._folder)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextlib.contextmanager
def fast_postgres() -> Iterator[PostgresServer]:
    """Run a server that does not wait for the disk."""
    with PostgresServer(settings=FAST) as server:
        yield server
