"""Boards that are processes: the firmware's sketches as they are, on the host's doubles of the Arduino libraries."""

import contextlib
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.support.harness import START_S, Process, Stack, rows, wait_until
from tests.support.paths import REPOSITORY

FIRMWARE = REPOSITORY / "firmware" / "esp32_pubsubclient"
BUILD = REPOSITORY / "build" / "firmware"
RESTARTED, ASLEEP, WATCHDOG = 75, 76, 77
FAST = "10"
"""Samples a second where a test wants many."""


def built(program: str) -> Path:
    """A program of the firmware's host build."""
    return _up_to_date() / program


@functools.cache
def _up_to_date() -> Path:
    """Bring the host build up to date, once in each process: after `make firmware` that takes a moment."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        os.lockf(lock.fileno(), os.F_LOCK, 0)  # the tests' workers share it
        subprocess.run(
            ["make", "--no-print-directory", "firmware"], cwd=REPOSITORY, check=True, timeout=600, capture_output=True
        )
    return BUILD


class Board:
    """A board with one of the sketches, in a folder of its own; started anew when it restarts itself.

    Args:
        folder: its memories, and the world around it.
        sketch: `mqtt`, `socketio` or `http`.
        settings: what is typed on its serial port before anything else.
    """

    def __init__(self, folder: Path, sketch: str, **settings: str) -> None:
        self.folder = folder
        self.device_id = settings.get("device_id", "ESP32_001")
        folder.mkdir(exist_ok=True)
        self._command = [str(built(f"sketch_{sketch}"))]
        self._world: dict[str, object] = {}
        self.world(hr=72, temp=33.5, eda=2)
        self.process = self._started()
        self.past: list[str] = []
        if settings:
            self.provision(**{"wifi_ssid": "a network", "device_id": self.device_id, **settings})

    def world(self, **values: object) -> None:
        """What happens around it: sensors, Wi-Fi, SNTP."""
        self._world |= values
        half = self.folder / "world.half"
        half.write_text("".join(f"{name} {value}\n" for name, value in self._world.items()))
        half.rename(self.folder / "world")

    def provision(self, *, ca: str = "", **settings: str) -> None:
        """Type the settings, save them, and let it restart."""
        self.process.wait_for("not set up")
        for name, value in settings.items():
            self.process.type(f"set {name} {value}")
        if ca:
            self.process.type(f"ca\n{ca}")
        self.process.type("save")
        self.restarted()

    def restarted(self) -> None:
        """Wait until it has ended itself, and start it again."""
        assert self.process.wait() in (RESTARTED, ASLEEP), self.process.output
        self.start()

    def start(self) -> None:
        self.past += self.process.lines
        self.process = self._started()

    def kill(self) -> None:
        """As when the supply is cut."""
        self.process.__exit__()

    def linked(self) -> None:
        self.process.wait_for("linked")

    @property
    def boot(self) -> str:
        """The key of its present run."""
        self.process.wait_for(", boot ")
        return next(line for line in self.process.lines if ", boot " in line).rpartition(" ")[2]

    def _started(self) -> Process:
        return Process(self._command, env={"SHIM_FOLDER": str(self.folder)})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.__exit__()
        assert "Sanitizer" not in self.process.output + "\n".join(self.past), self.process.output
        assert "watchdog" not in self.process.lines, self.process.output


def server_of(stack: Stack, sketch: str) -> str:
    """Where a stack listens for a sketch."""
    return f"mqtt://127.0.0.1:{stack.mqtt_port}" if sketch.startswith("mqtt") else stack.url


def stored(database_url: str, boot: str) -> list[int]:
    """The numbers of a boot's samples in the record, as often as they stand there."""
    found = rows(database_url, f"SELECT seq FROM history_stress WHERE boot = '{boot}' ORDER BY seq")  # noqa: S608
    return [seq for (seq,) in found]


def wait_for_samples(stack: Stack, boot: str, count: int, timeout_s: float = START_S) -> list[int]:
    """Wait until the record has at least `count` samples of a boot."""
    wait_until(lambda: len(stored(stack.database_url, boot)) >= count, timeout_s)
    return stored(stack.database_url, boot)


def wait_for_all(stack: Stack, boot: str, count: int = 1, timeout_s: float = START_S) -> list[int]:
    """Wait until the record has at least `count` samples of a boot, and each number up to the highest, once.

    For a moment one may be missing: where nothing tells a device the time, its newest sample goes before those that wait.
    """

    def complete() -> bool:
        seqs = stored(stack.database_url, boot)
        return len(seqs) >= count and seqs == list(range(len(seqs)))

    wait_until(complete, timeout_s)
    return stored(stack.database_url, boot)


@contextlib.contextmanager
def board(folder: Path, sketch: str, server: str, **settings: str) -> Iterator[Board]:
    """A board that is set up for a server."""
    with Board(folder / "board", sketch, server=server, **settings) as one:
        yield one
