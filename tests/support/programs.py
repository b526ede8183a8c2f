"""Programs and packages beside Python that tests need: `make install-test` installs them, `make test` insists on them."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.support.paths import REPOSITORY

INSTALLED_BY = "make install-test"
PROGRAMS = {
    "chromium",
    "cmake",
    "cppcheck",
    "curl",
    "g++",
    "haproxy",
    "initdb",
    "ip",
    "mosquitto",
    "mosquitto_pub",
    "mosquitto_sub",
    "nginx",
    "node",
    "openssl",
    "qemu-system-riscv32",
    "rabbitmq-server",
    "riscv64-unknown-elf-gcc",
}
FOLDERS = (
    REPOSITORY / "tests/js/node_modules",
    REPOSITORY / "frontend/node_modules",
    REPOSITORY / "gateway/static",
    REPOSITORY / "build/firmware",
)
"""Made by `make install-test`, `make run` and `make firmware`; no part of a fresh clone."""


def missing(error: FileNotFoundError) -> str | None:
    """Return the reason to skip a test that failed like this, or None if nothing that is to be installed was missing."""
    path = Path(str(error.filename))
    if path.name in PROGRAMS:
        return f"{path.name} is not installed: {INSTALLED_BY}"
    folder = next((folder for folder in FOLDERS if path.is_relative_to(folder) and not folder.exists()), None)
    return None if folder is None else f"{folder.relative_to(REPOSITORY)} is not there: {INSTALLED_BY}"


def program(name: str) -> str:
    """Return the path of a program. Raises `FileNotFoundError`."""
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(2, "not installed", name)
    return path


def needed(path: Path) -> Path:
    """Return a path that is there. Raises `FileNotFoundError`."""
    if not path.exists():
        raise FileNotFoundError(2, "not there", str(path))
    return path


def check_command(command: Sequence[str]) -> None:
    """Raise `FileNotFoundError` for the program that `stdbuf` is to start: it says so only on its output."""
    if command[0] == "stdbuf":
        program(next(word for word in command[1:] if not word.startswith("-")))
