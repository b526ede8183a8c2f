"""Runs `stresswire` commands as a user does, each in a process of its own, without starting Python for each.

To start Python and import everything takes about a second, and the tests give some hundreds of commands. The server,
`python -m tests.support.command_server`, has imported everything and forks; a fork runs what `python -m stresswire` would.
"""

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.support.paths import REPOSITORY

LIMIT_S: Final = 60.0
_LONGEST: Final = 64 * 1024
_ENV: Final = {"PYTHONPATH": str(REPOSITORY)}  # this checkout's code, wherever the environment has its own from


def stresswire(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder. Raises `TimeoutError` if it does not end."""
    env = _ENV | {f"STRESSWIRE_{name.upper()}": value for name, value in settings.items()}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        command = Command(arguments, env, folder, out.fileno(), err.fileno())
        try:
            status = command.wait(LIMIT_S)
        finally:
            command.close()
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(arguments, status, out.read(), err.read())


class Command:
    """A command that runs. It is killed when `close` is called, or this process ends, before it has ended.

    Args:
        arguments: those of `stresswire`.
        env: its whole environment.
        folder: its working directory.
        out, err: descriptors that it writes to.
    """

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], folder: Path, out: int, err: int) -> None:
        request = json.dumps({"folder": str(folder), "arguments": arguments, "env": dict(env)}).encode()
        address, _ = _server()
        self._status: int | None = None
        self._connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._connection.settimeout(LIMIT_S)
        self._connection.connect(address)
        socket.send_fds(self._connection, [request], [out, err])
        self.pid = int(self._connection.recv(_LONGEST))

    def poll(self) -> int | None:
        """Return the exit status, or None while it runs; a negative one is the number of a signal."""
        try:
            return self.wait(0.0)
        except (TimeoutError, BlockingIOError):
            return None

    def wait(self, timeout_s: float | None = None) -> int:
        """Return the exit status once it has ended. Raises `TimeoutError`."""
        if self._status is None:
            self._connection.settimeout(timeout_s)
            self._status = int(self._connection.recv(_LONGEST))
            self._connection.close()
        return self._status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def close(self) -> None:
        """Kill it if it still runs."""
        self._connection.close()


@functools.cache
def _server() -> tuple[str, "subprocess.Popen[bytes]"]:
    """Start the server, which ends with this process; returns where it listens."""
    address = f"\0stresswire commands {os.getpid()}"  # Linux's abstract namespace: no file is left
    command = [sys.executable, "-m", "tests.support.command_server", address[1:]]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=_ENV, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"listening\n"
    atexit.register(_end, process)
    return address, process


def _end(process: "subprocess.Popen[bytes]") -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    process.wait()


# --- the server


def _serve(address: str) -> None:
    """Serve until standard input is closed; returns in each process that is to be a command."""
    importlib.import_module("stresswire.cli.main")
    gc.freeze()  # or each command would look through it all at its end, and so copy the memory that it shares
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen()
        print("listening", flush=True)
        while sys.stdin.fileno() not in select.select([listener.fileno(), sys.stdin.fileno()], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    _become(_keep(connection))
                    return
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    sys.exit()


def _keep(connection: socket.socket) -> dict[str, Any]:
    """Wait for a command, and tell how it ended; returns what is asked for in the process that is to be it."""
    asked, (out, err), *_ = socket.recv_fds(connection, _LONGEST, 2)
    if (pid := os.fork()) == 0:
        connection.close()
        os.dup2(out, 1)
        os.dup2(err, 2)
        request: dict[str, Any] = json.loads(asked)
        return request
    connection.send(str(pid).encode())
    ended = os.pidfd_open(pid)
    if ended not in select.select([ended, connection.fileno()], [], [])[0]:
        os.kill(pid, signal.SIGKILL)  # nobody waits for it
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with contextlib.suppress(OSError):
        connection.send(str(status).encode())
    os._exit(0)


def _become(request: dict[str, Any]) -> None:
    with Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[1:] = request["arguments"]


if __name__ == "__main__":
    _serve(f"\0{sys.argv[1]}")
    runpy.run_module("stresswire", run_name="__main__", alter_sys=True)
