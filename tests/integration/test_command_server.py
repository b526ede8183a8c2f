"""What runs the commands of the other tests, beside `python -m stresswire`: nobody could tell them apart."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import command_server as commands
from tests.support.command_server import stresswire
from tests.support.harness import free_port, wait_until
from tests.support.paths import REPOSITORY


@pytest.mark.parametrize(
    "arguments",
    [("token", "list"), ("token", "add", "vera", "--role", "king"), ("up",)],
    ids=" ".join,
)
def test_a_command_is_what_a_start_of_python_makes_of_it(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    settings = {"mqtt_url": "nonsense"} if arguments == ("up",) else {}
    env = {"PYTHONPATH": str(REPOSITORY), **{f"STRESSWIRE_{name.upper()}": value for name, value in settings.items()}}
    command = [sys.executable, "-m", "stresswire", *arguments]
    started = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    forked = stresswire(tmp_path, *arguments, **settings)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)
    assert forked.stdout + forked.stderr


def test_a_command_without_an_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "LIMIT_S", 2.0)
    with ThreadPoolExecutor() as pool:
        ending = pool.submit(stresswire, tmp_path, "broker", mqtt_bind=f"127.0.0.1:{free_port()}")
        wait_until(lambda: str(tmp_path) in _folders())
        with pytest.raises(TimeoutError):
            ending.result()
    wait_until(lambda: str(tmp_path) not in _folders())


def _folders() -> list[str]:
    """Where the processes of this machine are."""
    found = []
    for one in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found.append(str(one.readlink()))
        except OSError:
            continue
    return found
