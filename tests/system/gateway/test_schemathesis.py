"""What schemathesis makes up from the OpenAPI document: no error of our own, and nothing that the document denies."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import REPOSITORY
from tests.support.people import Guarded

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
WAITS = "/api/devices/{device_id}/commands"
"""An order waits ten seconds for a device that is not there."""


@pytest.mark.parametrize(("who", "cases"), [("ada", 500), ("alice", 300), (None, 300)])
def test_nothing_that_can_be_asked_breaks_it(tmp_path: Path, who: str | None, cases: int) -> None:
    made = Guarded(tmp_path, rate_by_login="100000")
    with made.stack:
        login = ["-H", f"Authorization: Bearer {made.tokens[who]}"] if who else []
        command = [str(Path(sys.executable).with_name("schemathesis")), "run", str(REPOSITORY / "docs" / "openapi.yaml")]
        options = ["--url", made.stack.url, "--checks", CHECKS, "--max-examples", "20", "--seed", "1"]
        quiet = ["--suppress-health-check", "all", "--warnings", "off", "--generation-database", "none", "--no-color"]
        phases = ["--phases", "coverage,fuzzing", "--exclude-path", WAITS, "--request-timeout", "20"]
        done = subprocess.run(
            [*command, *options, *phases, *quiet, *login],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4_000:]
        generated = re.search(r"(\d+) generated", done.stdout)
        assert generated is not None
        assert int(generated[1]) > cases
        assert made.stack.stop() == 0
        assert "Traceback" not in made.stack.output
