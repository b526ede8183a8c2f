"""Write the contract's twins; with `--check`, list the stale ones and exit with status 1."""

import argparse
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from tools.contract import asyncapi, cpp, openapi, schemas, typescript

ROOT = Path(__file__).parents[2]
_SCHEMAS = Path("docs/schemas")


@cache
def outputs() -> Mapping[Path, str]:
    """Return the text of each generated file by its path in the repository."""
    texts = {
        Path("frontend/src/contract.gen.ts"): typescript.render(),
        Path("firmware/esp32_pubsubclient/lib/core/contract.gen.h"): cpp.render(),
        Path("docs/asyncapi.yaml"): asyncapi.render(),
        Path("docs/openapi.yaml"): openapi.render(),
        **{_SCHEMAS / f"{name}.json": text for name, text in schemas.render().items()},
    }
    return MappingProxyType(texts)


def stale(root: Path) -> list[Path]:
    """Return the paths of files that differ from the contract, are missing, or belong to a removed type."""
    wanted = outputs()
    differing = [path for path, text in wanted.items() if _read(root / path) != text.encode()]
    return differing + _orphans(root, wanted)


def write(root: Path) -> None:
    """Write every file, and delete the schemas of removed types."""
    wanted = outputs()
    for path, text in wanted.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode())
    for path in _orphans(root, wanted):
        (root / path).unlink()


def _orphans(root: Path, wanted: Mapping[Path, str]) -> list[Path]:
    present = sorted(path.relative_to(root) for path in (root / _SCHEMAS).glob("*.json"))
    return [path for path in present if path not in wanted]


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def main(arguments: list[str], root: Path = ROOT) -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.contract", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    if not parser.parse_args(arguments).check:
        write(root)
        return 0
    paths = stale(root)
    for path in paths:
        print(f"stale: {path} (run `make contract`)", file=sys.stderr)
    return 1 if paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
