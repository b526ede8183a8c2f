"""The rooms of docs/architecture.md: who may import whom, as data; and what must stay free of I/O or of large libraries."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGES = ("broker", "storage", "models", "ingest", "gateway", "stresswire")

EVERYTHING = "everything"

ROOMS: Mapping[str, tuple[str, ...]] = {
    "broker.contract": (),
    "broker.pacing": (),
    "broker.protocol": (),
    "broker.auth": ("broker.contract", "broker.pacing", "broker.protocol"),
    "broker": ("broker.contract", "broker.pacing", "broker.protocol"),
    "broker.embedded": ("broker", "broker.auth", "broker.contract", "broker.pacing", "broker.protocol"),
    "broker.external": ("broker", "broker.contract", "broker.pacing"),
    "storage": ("broker.contract", "broker.pacing"),
    "models.features": ("broker.contract",),
    "models": ("broker.contract", "models.features", "models.serving"),
    "models.serving": ("broker.contract", "models.errors", "models.features", "models.files"),
    "models.training": ("models", "models.features", "models.serving"),
    "ingest": ("broker", "broker.contract", "broker.pacing", "models.features", "models.serving", "storage"),
    "gateway": ("broker", "broker.contract", "broker.pacing", "storage"),
    "gateway.mqtt_websocket": ("broker.embedded", "broker.protocol", "gateway", "gateway.access"),
    "gateway.annotations": ("broker.contract", "gateway", "gateway.access", "storage"),
    "gateway.access": ("broker", "broker.auth", "broker.contract", "broker.pacing", "gateway", "storage"),
    "gateway.http": ("broker", "broker.contract", "gateway", "gateway.access", "gateway.annotations", "storage"),
    "gateway.socketio": ("broker.contract", "broker.pacing", "gateway", "gateway.access", "gateway.annotations", "storage"),
    "gateway.bridge": ("broker", "broker.contract", "gateway", "gateway.http", "gateway.socketio"),
    "gateway.service": ("broker", "broker.pacing", "gateway.bridge", "gateway.http", "gateway.socketio"),
    "stresswire": (EVERYTHING,),
}
"""Each room, and the rooms or modules that it may import beside itself.

A module's room is the longest prefix of its name here. The table of docs/architecture.md says the same.
"""

HOMES = {
    "amqtt": "broker/embedded/amqtt_adapter.py",
    "paho": "broker/external/",
    "socketio": "gateway/socketio/server.py",
    "engineio": "gateway/socketio/server.py",
    "sklearn": "models/training/estimator.py",
    "scipy": "models/training/adaptation.py",
    "matplotlib": "models/training/plots.py",
    "joblib": "models/training/",
}
"""Libraries, and the only place that imports each."""

PURE = (
    "broker/contract",
    "broker/protocol",
    "broker/auth",
    "broker/embedded/life_cycle.py",
    "broker/pacing/fair_queue.py",
    "broker/pacing/token_bucket.py",
    "gateway/access/permissions.py",
    "gateway/socketio/send_queue.py",
    "models/features",
    "models/serving/alerts.py",
    "ingest/event_time.py",
    "ingest/device_streams.py",
    "ingest/late_data.py",
    "ingest/shard.py",
)
"""Decisions without clock, socket, disk or environment: time and randomness come in as arguments."""

IO_LIBRARIES = {"asyncio", "socket", "time", "os", "pathlib", "sqlalchemy", "aiohttp", "random", "secrets", "logging"}
NOT_IN_SERVING = {"sklearn", "scipy", "matplotlib", "joblib"}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        path = ROOT / folder
        yield from [path] if path.suffix else sorted(path.rglob("*.py"))


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room_of(module: str) -> str:
    found = [room for room in ROOMS if module == room or module.startswith(room + ".")]
    return max(found, key=len, default="")


MODULES = {module_of(path): path for path in sources(*PACKAGES)}


@cache
def imports(path: Path) -> frozenset[str]:
    """Modules that a file imports by their full names; `from a import b` is a.b if that is a module, else a."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in MODULES else str(node.module) for name in full}
    return frozenset(found)


def permits(allowed: str, module: str) -> bool:
    return allowed in (EVERYTHING, module, room_of(module))


def breaches(module: str, imported: AbstractSet[str]) -> list[str]:
    """Imports of ours that the module's room does not allow."""
    allowed = (room_of(module), *ROOMS[room_of(module)])
    return [name for name in imported if name in MODULES and not any(permits(one, name) for one in allowed)]


def code_modules() -> list[str]:
    return [name for name, path in MODULES.items() if path.name != "__main__.py"]


def test_rooms_import_only_what_they_may() -> None:
    found = {name: breach for name in code_modules() if (breach := breaches(name, imports(MODULES[name])))}
    assert found == {}


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("gateway.bridge", "ingest.service"),
        ("ingest.service", "gateway.service"),
        ("ingest.service", "broker.embedded.bus"),
        ("storage.tables", "broker.bus"),
        ("models.serving.predictor", "models.training.train"),
        ("models.features.extraction", "models.serving.predictor"),
        ("broker.protocol.inbound", "broker.contract.limits"),
        ("broker.contract.samples", "broker.pacing.backoff"),
        ("broker.pacing.backoff", "broker.contract"),
        ("broker.auth.acl", "broker.bus"),
        ("broker.bus", "broker.auth.acl"),
        ("broker.embedded.router", "broker.external.bus"),
        ("broker.external.bus", "broker.embedded.bus"),
        ("gateway.http.middleware", "gateway.socketio.server"),
        ("gateway.socketio.server", "gateway.http.routing"),
        ("gateway.access.origins", "gateway.http.routing"),
        ("gateway.errors", "gateway.access.origins"),
        ("gateway.http.middleware", "gateway.service"),
        ("gateway.socketio.server", "broker.embedded.bus"),
        ("gateway.service", "models.serving.predictor"),
    ],
)
def test_a_breach_is_seen(module: str, imported: str) -> None:
    assert imported in MODULES
    assert breaches(module, {imported}) == [imported]


def unused(rooms: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Rooms with something that they may import and that none of their modules imports."""
    used: dict[str, set[str]] = {room: set() for room in ROOMS}
    for name in code_modules():
        used[room_of(name)] |= {one for one in imports(MODULES[name]) & set(MODULES) if room_of(one) != room_of(name)}
    return [
        (room, one)
        for room, allowed in rooms.items()
        for one in allowed
        if not any(permits(one, name) for name in used[room])
    ]


def test_every_arrow_is_used() -> None:
    assert unused(ROOMS) == []


def test_an_arrow_that_nothing_uses_is_seen() -> None:
    assert unused({"storage": ("broker.contract", "models")}) == [("storage", "models")]


def test_the_page_draws_the_same_rooms() -> None:
    section = PAGE.split("## Rooms\n")[1].split("\n## ")[0]
    table = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    drawn = {_names(room)[0]: _names(allowed) for room, _, allowed in table}
    assert len(drawn) == len(table)
    assert drawn == {room: sorted(allowed) for room, allowed in ROOMS.items()}


def _names(cell: str) -> list[str]:
    """Names of the rooms and modules in a cell, such as `gateway.bridge` for `gateway/bridge.py`."""
    named = [name.removesuffix(".py").replace("/", ".") for name in re.findall(r"`([^`]+)`", cell)]
    return sorted(named) if named else [cell.strip()] if cell.strip() != "nothing" else []


def test_the_page_names_what_is_pure() -> None:
    paragraph = PAGE.split("Pure modules")[1].split("\n\n")[0]
    assert re.findall(r"`([^`]+)`", paragraph) == list(PURE)


def circle(graph: Mapping[str, AbstractSet[str]]) -> list[str]:
    """A circle of modules that import one another, or nothing."""
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> list[str]:
        if name in trail:
            return trail[trail.index(name) :]
        if name in done:
            return []
        for following in sorted(graph[name]):
            if found := visit(following, [*trail, name]):
                return found
        done.add(name)
        return []

    return next((found for name in graph if (found := visit(name, []))), [])


def test_no_circle_of_files() -> None:
    assert circle({name: (imports(path) & set(MODULES)) - {name} for name, path in MODULES.items()}) == []


def test_a_circle_is_seen() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


@pytest.mark.parametrize("package", ["broker", "ingest", "gateway", "stresswire"])
def test_main_only_calls_the_command_line(package: str) -> None:
    assert imports(ROOT / package / "__main__.py") <= {"sys", "stresswire.cli.main"}


@pytest.mark.parametrize(("library", "home"), HOMES.items())
def test_each_of_these_libraries_has_one_home(library: str, home: str) -> None:
    users = [
        path.relative_to(ROOT).as_posix()
        for path in sources(*PACKAGES)
        if library in {name.partition(".")[0] for name in imports(path)}
    ]
    assert users
    assert [user for user in users if not user.startswith(home)] == []


@pytest.mark.parametrize("place", PURE)
def test_the_core_is_pure(place: str) -> None:
    found = {
        path.relative_to(ROOT).as_posix(): libraries
        for path in sources(place)
        if (libraries := {name.partition(".")[0] for name in imports(path)} & IO_LIBRARIES)
    }
    assert found == {}


@pytest.mark.parametrize("module", ["models.serving.predictor", "ingest.service", "gateway.service"])
def test_serving_loads_no_training_library(module: str) -> None:
    program = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)}
    assert "numpy" in loaded or module == "gateway.service"
    assert loaded & NOT_IN_SERVING == set()
