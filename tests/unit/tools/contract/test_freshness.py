"""The committed twins are what the generators write from the contract."""

import subprocess
import sys
from pathlib import Path

import pytest

from tools.contract.__main__ import ROOT, main, outputs, stale

PATHS = sorted(outputs())


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Fresh files, to be spoilt."""
    assert main([], tmp_path) == 0
    return tmp_path


def test_committed_files_are_fresh() -> None:
    assert stale(ROOT) == []


def test_the_command_agrees() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.contract", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_every_path_is_covered() -> None:
    suffixes = {path.name if path.suffix != ".json" else path.parent.name for path in PATHS}
    assert suffixes == {"contract.gen.ts", "contract.gen.h", "asyncapi.yaml", "openapi.yaml", "schemas"}


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_a_changed_file_is_named(copy: Path, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], copy) == 0
    (copy / path).write_bytes((copy / path).read_bytes() + b"\n")
    assert main(["--check"], copy) == 1
    assert capsys.readouterr().err == f"stale: {path} (run `make contract`)\n"


def test_a_missing_file_is_named(copy: Path) -> None:
    (copy / PATHS[0]).unlink()
    assert stale(copy) == [PATHS[0]]


def test_a_schema_whose_type_is_gone_is_named_and_deleted(copy: Path) -> None:
    gone = Path("docs/schemas/Gone.json")
    (copy / gone).write_text("{}")
    assert stale(copy) == [gone]
    assert main([], copy) == 0
    assert not (copy / gone).exists()


def test_writing_mends_everything(tmp_path: Path) -> None:
    assert stale(tmp_path) == list(outputs())
    assert main([], tmp_path) == 0
    assert stale(tmp_path) == []
