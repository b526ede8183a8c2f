"""Processes under measurement: CPU time and memory as the kernel counts them (Linux only)."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Self

Kind = Literal["ours", "amqtt"]
KINDS: Final[tuple[Kind, ...]] = ("ours", "amqtt")

_QUIET_US: Final = 2_500
_QUIET_S: Final = 0.1
_SETTLE_S: Final = 120.0


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Watched:
    """Process whose CPU time and memory are measured; killed at the end of the `with`.

    Args:
        command: program and arguments.
        ready: text of the line that it prints once it has started.
        env: additions to the environment.
        cwd: working folder.
    """

    def __init__(
        self, command: Sequence[str], ready: str, *, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `__exit__`
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            encoding="utf-8",
        )
        while ready not in self._line():
            pass

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"the server has ended: {self._errors.read()[-2000:].decode(errors='replace')}")
        return line

    def ask(self, command: str) -> int:
        """Send a command to `bench.server`, and return the number that it answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return int(self._line())

    def cpu_us(self) -> float:
        """Return the CPU microseconds of all its threads since its start."""
        # clock_getcpuclockid(3), which Python offers for threads only.
        return time.clock_gettime_ns(~self._process.pid << 3 | 2) / 1000

    def settled_cpu_us(self) -> float:
        """Wait until it is idle, and return its CPU microseconds. Raises `TimeoutError`."""
        before, end_s = self.cpu_us(), time.monotonic() + _SETTLE_S
        while time.monotonic() < end_s:
            time.sleep(_QUIET_S)
            now = self.cpu_us()
            if now - before < _QUIET_US:
                return now
            before = now
        raise TimeoutError("the server does not become idle")

    def resident_mb(self) -> float:
        """Return its resident memory."""
        return self._status_mb("VmRSS")

    def peak_mb(self) -> float:
        """Return its peak resident memory."""
        return self._status_mb("VmHWM")

    def _status_mb(self, field: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split(f"{field}:")[1].split()[0]) / 1024

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


class Server(Watched):
    """The embedded broker or plain amqtt, alone in a process, on a free port."""

    def __init__(self, kind: Kind) -> None:
        self.port = free_port()
        super().__init__([sys.executable, "-m", "bench.server", kind, str(self.port)], "ready")
