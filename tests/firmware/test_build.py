"""What needs no server: the core's own tests, those of the doubles, the analyser, the core on another processor."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.firmware.board import FIRMWARE, built


def output_of(*command: str | Path, timeout_s: float = 100) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("program", ["unit", "doubles"])
def test_of_c_plus_plus_pass_under_the_sanitizers(program: str) -> None:
    said = output_of(built(program))
    assert "Status: SUCCESS!" in said
    assert "__asan_init" in output_of("nm", "--dynamic", "--undefined-only", built(program))


def test_the_analyser_finds_nothing() -> None:
    command = (
        "cppcheck",
        "--enable=warning,performance,portability",
        "--error-exitcode=1",
        "--std=c++17",
        "--language=c++",
    )
    output_of(*command, "--quiet", f"-I{FIRMWARE}/lib/core", FIRMWARE / "lib/core", FIRMWARE / "src")


def test_the_core_does_the_same_on_rv32imc(tmp_path: Path) -> None:
    here = output_of(built("selftest"))
    there = output_of(FIRMWARE / "test/rv32/run.sh", tmp_path)
    assert "1000 acknowledged" in here
    assert there == here


def test_the_core_needs_no_heap_and_no_arduino() -> None:
    """Nothing in it allocates, prints by a locale, or includes more than C's headers and its own."""
    allowed = {"stddef.h", "stdint.h", "string.h", "math.h"}
    core = sorted((FIRMWARE / "lib/core").iterdir())
    own = {path.name for path in core}
    for path in core:
        for line in path.read_text().splitlines():
            if line.startswith("#include"):
                assert line.split()[1].strip('<>"') in allowed | own, f"{path.name}: {line}"
    wanted = set(
        re.findall(r" U (\w+|operator new)", output_of("nm", "--undefined-only", "--demangle", built("libcore.a")))
    )
    assert "memcpy" in wanted
    assert not wanted & {
        "malloc",
        "calloc",
        "realloc",
        "free",
        "operator new",
        "printf",
        "snprintf",
        "strtod",
        "localeconv",
    }


def test_no_setting_trusts_anybody_and_no_secret_is_in_the_tree() -> None:
    for path in (FIRMWARE / "src").iterdir():
        text = path.read_text()
        assert "setInsecure(" not in text.replace("there is no setInsecure() here", "")
        assert "BEGIN CERTIFICATE" not in text
