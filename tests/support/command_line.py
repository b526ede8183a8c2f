"""Runs the command line as a user does."""

import re
import subprocess
import sys
from pathlib import Path

from tests.support.paths import REPOSITORY


def stresswire(folder: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    env = {f"STRESSWIRE_{name.upper()}": value for name, value in settings.items()}
    env["PYTHONPATH"] = str(REPOSITORY)  # this checkout's code, wherever the environment has its own from
    command = [sys.executable, "-m", "stresswire", *arguments]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False)


def assert_one_line(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("stresswire: ")
    assert all(word in last for word in words), last
    assert "Traceback" not in done.stdout + done.stderr


TOKEN = re.compile(r"(?<![\w-])[\w-]{43}(?![\w-])")


def token_of(done: subprocess.CompletedProcess[str]) -> str:
    """The one token that a command printed, which it printed once."""
    assert done.returncode == 0, done.stderr
    [token] = TOKEN.findall(done.stdout + done.stderr)
    assert isinstance(token, str)
    return token
