"""Runs the command line as a user does."""

import re
import subprocess


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
