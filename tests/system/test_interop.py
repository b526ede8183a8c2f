"""The users' own clients, as they are, against the whole pipeline."""

import subprocess
import sys
from pathlib import Path

from tests.support.harness import Stack
from tests.support.paths import JS


def test_the_javascript_client(any_stack: Stack) -> None:
    done = subprocess.run(
        ["node", "check_js.cjs", str(any_stack.http_port)],
        cwd=JS,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout


def test_the_python_client(stack: Stack) -> None:
    check = Path(__file__).parents[1] / "support" / "check_py.py"
    done = subprocess.run(
        [sys.executable, str(check), str(stack.http_port)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
