"""What needs no server: the core's own tests, those of the doubles, the analyser, the core on another processor."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tests.system.firmware.board import FIRMWARE, built


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


def blocks(page: Path) -> list[str]:
    """The C++ that a page shows."""
    return re.findall(r"^```cpp\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def errors_of(sketch: str, folder: Path) -> list[str]:
    """What the compiler has against a sketch."""
    source = folder / "sketch.cpp"
    source.write_text("#include <Arduino.h>\n" + sketch)
    includes = (f"-I{FIRMWARE}/test/host/shim", f"-I{FIRMWARE}/test/host/doubles")
    command = ("g++", "-std=c++17", "-Wall", "-Wextra", "-fsyntax-only", *includes, source)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return [line for line in done.stderr.splitlines() if "error:" in line or "warning:" in line]


def test_the_copied_example_does_not_compile_and_the_corrected_one_does(tmp_path: Path) -> None:
    copied, corrected = blocks(FIRMWARE / "docs/socketio.md")
    given = '#include <SocketIOclient.h>\nconst char* payload = "{}";\nvoid onDataReceived();\n'
    no_such, no_name = errors_of(given + copied, tmp_path)
    assert "has no member named" in no_such
    assert "invalid conversion" in no_name
    assert errors_of(corrected, tmp_path) == []


def test_the_sketch_of_the_readme_compiles(tmp_path: Path) -> None:
    assert errors_of(blocks(REPOSITORY / "docs/clients.md")[0], tmp_path) == []


def test_the_page_says_the_commands_that_there_are() -> None:
    section = (FIRMWARE / "README.md").read_text().partition("## Commands")[2].partition("## ")[0]
    said = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    table = (FIRMWARE / "lib/core/command.cpp").read_text().partition("kKnown[] = {")[2].partition("};")[0]
    assert said == re.findall(r'\{"(\w+)", Command', table)


def test_every_library_is_pinned() -> None:
    lines = (FIRMWARE / "platformio.ini").read_text().splitlines()
    wanted = [line for line in lines if re.search(r"^\s+\w+/|^platform ", line)]
    assert len(wanted) == 6
    assert all(re.search(r"@\d+\.\d+(\.\d+)?(\s|$)", line) for line in wanted)
