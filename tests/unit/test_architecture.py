"""The arrows of the design: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAY_IMPORT = {
    "broker": set(),
    "storage": {"broker.contract", "broker.pacing.backoff"},
    "models": {"broker.contract"},
    "ingest": {"broker", "storage", "models"},
    "gateway": {"broker", "storage"},
    "stresswire": {"broker", "storage", "models", "ingest", "gateway"},
}
UNTYPED = {
    "amqtt": "broker/embedded/amqtt_adapter.py",
    "paho": "broker/external/bus.py",
    "socketio": "gateway/socketio/server.py",
    "engineio": "gateway/socketio/server.py",
}
PURE = (
    "broker/contract/__init__.py",
    "broker/contract/samples.py",
    "broker/protocol/packet_types.py",
    "broker/protocol/packets_in.py",
    "broker/protocol/packets_out.py",
    "broker/protocol/topic_filters.py",
    "broker/protocol/topic_tree.py",
    "broker/pacing/fair_queue.py",
    "broker/auth/identity.py",
    "broker/auth/acl.py",
    "broker/auth/connect_policy.py",
    "broker/protocol/outbound.py",
    "broker/protocol/inbound.py",
    "broker/pacing/token_bucket.py",
    "gateway/access/permissions.py",
    "gateway/socketio/send_queue.py",
    "models/features/extraction.py",
    "models/serving/alerts.py",
    "ingest/event_time.py",
    "ingest/device_streams.py",
    "ingest/shard.py",
)
IO_LIBRARIES = {"asyncio", "socket", "time", "os", "pathlib", "sqlalchemy", "aiohttp", "random", "secrets", "logging"}


def imports(path: Path) -> set[str]:
    """Full names of the modules that a file imports, `from a.b import c` as a.b."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def breaches(package: str, path: Path) -> list[str]:
    """Imports of ours that the design does not allow."""
    ours = [name for name in imports(path) if name.partition(".")[0] in MAY_IMPORT]
    allowed = MAY_IMPORT[package] | {package}
    return [name for name in ours if not any(name == one or name.startswith(one + ".") for one in allowed)]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_imports_point_one_way(package: str) -> None:
    files = [path for path in (ROOT / package).rglob("*.py") if path.name != "__main__.py"]
    assert files
    assert {str(path): found for path in files if (found := breaches(package, path))} == {}


@pytest.mark.parametrize("package", ["broker", "ingest", "gateway", "stresswire"])
def test_main_only_calls_the_command_line(package: str) -> None:
    assert imports(ROOT / package / "__main__.py") <= {"sys", "stresswire.cli.main"}


@pytest.mark.parametrize(("library", "home"), UNTYPED.items())
def test_each_protocol_library_is_imported_in_one_module(library: str, home: str) -> None:
    files = [path for package in MAY_IMPORT for path in (ROOT / package).rglob("*.py")]
    users = [
        path.relative_to(ROOT).as_posix() for path in files if library in {name.partition(".")[0] for name in imports(path)}
    ]
    assert users == [home]


@pytest.mark.parametrize("path", PURE)
def test_the_core_is_pure(path: str) -> None:
    assert {name.partition(".")[0] for name in imports(ROOT / path)} & IO_LIBRARIES == set()


def test_a_breach_is_seen(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("from ingest.service import Ingest\nimport broker.contract\n")
    assert breaches("gateway", bad) == ["ingest.service"]
