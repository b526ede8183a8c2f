"""Processes for the tests: the product, Mosquitto and clients, on free loopback ports."""

import contextlib
import getpass
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from broker.contract import ROOT
from storage.database import with_driver
from stresswire.simulate import person
from tests.support.command_server import Command
from tests.support.paths import JS, REPOSITORY
from tests.support.programs import check_command, needed

START_S = 30.0
MOSQUITTO = {
    "allow_anonymous": "true",
    "user": getpass.getuser(),  # as root it would switch to a user that cannot read the test's folder
    "max_inflight_messages": 1_000,
    "max_queued_messages": 100_000,
}


def _own_ports() -> Iterator[int]:
    """Yield ports below the ephemeral range, so that no outgoing connection takes one before a listener does.

    Each of the tests' workers has its own ports, and uses one again only after some thousand others.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports = range(10_000 + worker, 32_768, workers)
    start = os.getpid() % len(ports)
    return itertools.cycle([*ports[start:], *ports[:start]])


_PORTS = _own_ports()


def free_port() -> int:
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("cycle has no end")


def wait_until(condition: Callable[[], bool], timeout_s: float = START_S) -> None:
    """Poll a condition of another process; fail if it does not become true in time."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not come in time"
        time.sleep(0.02)


class _Forked(Command):
    """A command of `stresswire` with pipes, as `subprocess.Popen` has them."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        ours, theirs = os.pipe()
        try:
            super().__init__(arguments, env, folder, theirs, theirs)
        finally:
            os.close(theirs)
        self.stdout = open(ours, encoding="utf-8", errors="replace")  # noqa: SIM115, PTH123 - the reading thread closes it
        self.stdin = Path(os.devnull).open("w")  # noqa: SIM115 - `Process.wait` closes it

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


_STRESSWIRE = (sys.executable, "-m", "stresswire")


class Process:
    """Process whose output is collected line by line; killed at the end of the `with`."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        check_command(command)
        self._process: subprocess.Popen[str] | _Forked
        clean = {name: value for name, value in os.environ.items() if not name.startswith("STRESSWIRE_")}
        if tuple(command[:3]) == _STRESSWIRE and cwd is not None:
            self._process = _Forked(command[3:], {**clean, **(env or {})}, cwd)
        else:
            self._process = self._started(command, {**clean, **(env or {})}, cwd)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @staticmethod
    def _started(command: Sequence[str], env: Mapping[str, str], cwd: Path | None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def wait_for(self, text: str, timeout_s: float = START_S) -> None:
        """Wait for a line with `text`; if the process ends or the time is over, kill it and fail."""
        try:
            wait_until(lambda: text in self.output or self._process.poll() is not None, timeout_s)
            assert text in self.output, f"ended before {text!r}:\n{self.output}"
        except AssertionError:
            self.__exit__()
            raise

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    def resident_mb(self) -> float:
        """Return its resident memory."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def send(self, sign: signal.Signals) -> None:
        self._process.send_signal(sign)

    def type(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait(self, timeout_s: float = START_S) -> int:
        code = self._process.wait(timeout_s)
        self._reader.join()
        assert self._process.stdin is not None
        self._process.stdin.close()
        return code

    def stop(self) -> int:
        if self._process.poll() is None:
            self._process.terminate()
        return self.wait()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout:
            for line in stdout:
                self.lines.append(line.rstrip("\n"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self.wait()


def rows(database_url: str, query: str) -> list[Any]:
    """Return the rows of a query on the database of a running process."""
    engine = create_engine(with_driver(database_url), poolclass=NullPool)
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


class Stack(Process):
    """`stresswire up` in `folder`, on free ports, with SQLite there unless `database_url` names another database, and with
    its embedded broker unless `mqtt_url` names an external one.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        mqtt_url: str | None = None,
        program: Sequence[str] = ("stresswire",),
        **settings: str,
    ) -> None:
        self.database = folder / "var" / "stresswire.db"
        self.embedded = mqtt_url is None
        self.database_url = settings.get("database_url", f"sqlite:///{self.database}")
        self.http_port = int(settings.setdefault("http_bind", f"127.0.0.1:{free_port()}").rpartition(":")[2])
        mqtt_bind = settings.setdefault("mqtt_bind", f"127.0.0.1:{free_port()}")
        self.mqtt_port = int((mqtt_url or mqtt_bind).rpartition(":")[2])
        env = {
            "PYTHONPATH": str(REPOSITORY),  # for a program of the tests
            **({"STRESSWIRE_MQTT_URL": mqtt_url} if mqtt_url else {}),
            **{f"STRESSWIRE_{name.upper()}": value for name, value in settings.items()},
        }
        super().__init__([sys.executable, "-m", *program, "up", *arguments], env=env, cwd=folder)
        self.wait_for("Ctrl-C stops.")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def rows(self, query: str) -> list[Any]:
        return rows(self.database_url, query)

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608


class Subscriber(Process):
    """`mosquitto_sub` on every topic of the contract."""

    def __init__(self, port: int) -> None:
        # Line-buffered, as on a terminal: into a pipe it would buffer its output.
        command = ["stdbuf", "-oL", "mosquitto_sub", "-p", str(port), "-t", f"{ROOT}/+/+", "-F", "%t %p", "-q", "1", "-d"]
        super().__init__(command)
        self.wait_for("Subscribed")

    def payloads(self, name: str) -> list[dict[str, Any]]:
        """Return the JSON payloads received on topics whose last segment is `name`, in order."""
        message = re.compile(rf"^{ROOT}/[^/ ]+/{name} (.*)$")
        return [json.loads(match[1]) for line in list(self.lines) if (match := message.match(line))]


def publish(port: int, device_id: str, payload: str | bytes, *, name: str = "esp32_sensor_data") -> None:
    """Publish a message with `mosquitto_pub`."""
    topic = f"{ROOT}/{device_id}/{name}"
    command = ["mosquitto_pub", "-p", str(port), "-t", topic, "-q", "1", "-s" if payload else "-n"]
    subprocess.run(command, input=payload if isinstance(payload, bytes) else payload.encode(), check=True, timeout=START_S)


def start_mosquitto(
    folder: Path,
    port: int,
    options: Mapping[str, object],
    *,
    listen: str = "127.0.0.1",
    prefix: Sequence[str] = (),
) -> Process:
    """Start Mosquitto with these options in addition to `MOSQUITTO`; `prefix` is a command that starts it."""
    lines = {**MOSQUITTO, **options}
    config = folder / "mosquitto.conf"
    config.write_text(f"listener {port} {listen}\n" + "".join(f"{name} {value}\n" for name, value in lines.items()))
    program = "mosquitto" if not Path("/usr/sbin/mosquitto").exists() else "/usr/sbin/mosquitto"
    process = Process([*prefix, program, "-c", str(config)])
    process.wait_for("running")
    return process


@contextlib.contextmanager
def mosquitto(folder: Path, *, port: int | None = None, **options: object) -> Iterator[str]:
    """Run Mosquitto as `start_mosquitto` does until the block ends; yield its URL."""
    port = port or free_port()
    with start_mosquitto(folder, port, options):
        yield f"mqtt://127.0.0.1:{port}"


def node(script: str, *arguments: object) -> Process:
    """Start a script of `tests/js`."""
    needed(JS / "node_modules")
    return Process(["node", str(JS / script), *map(str, arguments)], cwd=JS)


class Frontend(Process):
    """Frontend with socket.io-client, in a process of Node.js."""

    def __init__(self, stack: Stack) -> None:
        needed(JS / "node_modules")
        super().__init__(["node", str(JS / "listen.cjs"), str(stack.http_port)], cwd=JS)
        self.wait_for("connected")

    def events(self, name: str) -> list[Any]:
        """Return the data of the received events of that name, in order."""
        events = [json.loads(line) for line in list(self.lines) if line.startswith("{")]
        return [event["data"] for event in events if event["event"] == name]

    def emit(self, event: str, data: object) -> None:
        self.type(json.dumps({"event": event, "data": data}))


def write_recording(path: Path, subjects: Mapping[str, int], *, calm_s: int = 300, stress_s: int = 150) -> None:
    """Write a recording of simulated people; `subjects` maps names to seconds. Calm and stress come by turns."""
    with path.open("w") as file:
        file.write("subject,t,hr,temp,eda\n")
        for seed, (subject, seconds) in enumerate(subjects.items()):
            states = person(seed, calm_s=calm_s, stress_s=stress_s)
            for t, state in zip(range(seconds), states, strict=False):
                file.write(f"{subject},{t},{state.hr:.2f},{state.temp:.2f},{state.eda:.3f}\n")
