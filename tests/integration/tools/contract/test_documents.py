"""The generated documents are valid by their own formats' tools, and say what the contract says."""

import json
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV31SpecValidator

from broker import contract
from broker.contract import CHANNELS, MESSAGES, RANGES, Name
from gateway.http import routes
from gateway.http.routes.catalogue import ENDPOINTS
from gateway.http.routing import Endpoint
from tests.support.programs import needed, program
from tools.contract.__main__ import ROOT

JS = ROOT / "tests/js"
ASYNCAPI = ROOT / "docs/asyncapi.yaml"
HEADER = ROOT / "firmware/esp32_pubsubclient/lib/core/contract.gen.h"
TYPESCRIPT = ROOT / "frontend/src/contract.gen.ts"


def load(name: str) -> Any:
    return yaml.safe_load((ROOT / "docs" / name).read_text())


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def validate_asyncapi(path: Path) -> subprocess.CompletedProcess[str]:
    needed(JS / "node_modules/@asyncapi/parser")
    return run(program("node"), JS / "validate-asyncapi.mjs", path)


# --- OpenAPI


def test_openapi_is_valid() -> None:
    OpenAPIV31SpecValidator(load("openapi.yaml")).validate()


def test_openapi_routes_and_answers() -> None:
    paths = load("openapi.yaml")["paths"]
    # The users' own clients know these.
    assert set(paths) > {"/api/esp32/data", "/api/websocket/info", "/api/system/status", "/api/websocket/test", "/readyz"}
    assert {(path, method.upper()) for path, methods in paths.items() for method in methods} == {
        (endpoint.path, endpoint.method) for endpoint in ENDPOINTS
    }
    answers = paths["/api/esp32/data"]["post"]["responses"]
    assert set(answers) == {"200", "201", "207", "400", "401", "403", "408", "409", "413", "415", "429", "503"}
    for answer in answers.values():
        assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/DataReceived"}
    assert "Retry-After" in answers["503"]["headers"]


def test_the_catalogue_has_every_endpoint() -> None:
    modules = [import_module(f"{routes.__name__}.{found.name}") for found in iter_modules(routes.__path__)]
    values = [value for module in modules for value in vars(module).values()]
    assert {one.operation for one in values if isinstance(one, Endpoint)} == {one.operation for one in ENDPOINTS}


# --- AsyncAPI


def test_asyncapi_is_valid() -> None:
    done = validate_asyncapi(ASYNCAPI)
    assert done.returncode == 0, done.stdout + done.stderr
    # Severities 0 and 1 are errors and warnings.
    assert not re.findall("^[01] .*", done.stdout, re.MULTILINE)


def test_asyncapi_validation_can_fail(tmp_path: Path) -> None:
    spoilt = tmp_path / "asyncapi.yaml"
    spoilt.write_text(ASYNCAPI.read_text().replace("action: receive", "action: listen", 1))
    assert validate_asyncapi(spoilt).returncode == 1


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: channel.name.value)
def test_asyncapi_channel(channel: contract.Channel) -> None:
    document, name = load("asyncapi.yaml"), channel.name.value
    assert document["channels"][name]["address"] == f"stress/v1/{{device_id}}/{name}"
    operation = document["operations"][name]
    assert operation["action"] == ("receive" if channel.sender == "device" else "send")
    assert operation["bindings"]["mqtt"]["qos"] == channel.qos
    assert operation["bindings"]["mqtt"]["retain"] is channel.retained


def test_asyncapi_has_every_event_as_a_socketio_channel() -> None:
    channels = load("asyncapi.yaml")["channels"].values()
    addresses = {channel["address"] for channel in channels if channel["servers"] == [{"$ref": "#/servers/socketio"}]}
    assert addresses == set(Name) == {message.name for message in MESSAGES}


@pytest.mark.parametrize("name", ["asyncapi.yaml", "openapi.yaml"])
def test_a_batch_is_limited(name: str) -> None:
    options = load(name)["components"]["schemas"]["SensorPayload"]["anyOf"]
    assert [option["maxItems"] for option in options if "maxItems" in option] == [contract.MAX_BATCH]


# --- C++


def test_header_compiles_with_every_warning_as_an_error(tmp_path: Path) -> None:
    source = tmp_path / "use.cpp"
    source.write_text(
        f'#include "{HEADER.name}"\n#include "{HEADER.name}"\n'
        "using namespace stresswire::contract;\n"
        f"static_assert(kMaxBatch == {contract.MAX_BATCH} && kMaxPayloadBytes == {contract.MAX_PAYLOAD_BYTES});\n"
        f"static_assert(kMaxSeq == {contract.MAX_SEQ}u && kMaxDeviceId == 64 && kMaxBoot == 32);\n"
        f"static_assert(kStamp == '{contract.STAMP}' && sizeof(kRoot) == {len(contract.ROOT) + 1});\n"
        f"static_assert(kClockFloorUnixS == {int(contract.CLOCK_FLOOR.timestamp())});\n"
        + "".join(
            f"static_assert(kRange{name.capitalize()}.low == {limits.low} && "
            f"kRange{name.capitalize()}.high == {limits.high});\n"
            for name, limits in RANGES.items()
        )
        + "".join(
            f"static_assert(k{words}.qos == {channel.qos} && k{words}.retained == {str(channel.retained).lower()});\n"
            for channel in CHANNELS
            for words in [channel.name.name.title().replace("_", "")]
        )
    )
    done = run(program("g++"), "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", "-I", HEADER.parent, source)
    assert done.returncode == 0, done.stderr


def test_header_needs_only_c_headers_and_has_every_channel() -> None:
    text = HEADER.read_text()
    assert set(re.findall(r"#include <(.*)>", text)) <= {"stdint.h", "stddef.h"}
    for channel in CHANNELS:
        assert f'{{"{channel.name}", {channel.qos}, ' in text


# --- every range and limit, in both languages


def numbers() -> dict[str, float]:
    found = {name: value for name, value in vars(contract).items() if name.isupper()}
    return {name: value for name, value in found.items() if isinstance(value, int | float)}


@pytest.mark.parametrize(("name", "value"), numbers().items())
def test_every_limit_appears(name: str, value: float) -> None:
    camel = "k" + name.title().replace("_", "")
    assert re.search(rf"^export const {name} = {re.escape(str(value))};$", TYPESCRIPT.read_text(), re.MULTILINE)
    assert re.search(rf" {camel} = {re.escape(str(value))}[uf];$", HEADER.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("name", "limits"), RANGES.items())
def test_every_range_appears(name: str, limits: contract.Range) -> None:
    line = f'  {name}: {{ low: {limits.low}, high: {limits.high}, unit: "{limits.unit}" }},\n'
    assert line in TYPESCRIPT.read_text()
    assert f"kRange{name.capitalize()} = {{{float(limits.low)}f, {float(limits.high)}f}};" in HEADER.read_text()


# --- TypeScript

USE = """\
import { type ClientToServerEvents, Name, RANGES, type SensorSample, type ServerToClientEvents } from "./contract.gen";

declare function emit<E extends keyof ClientToServerEvents>(event: E, ...rest: Parameters<ClientToServerEvents[E]>): void;
declare function on<E extends keyof ServerToClientEvents>(event: E, listener: ServerToClientEvents[E]): void;

const sample: SensorSample = { hr: 70, temp: null };
emit("esp32_sensor_data", sample, (answer) => answer.stress_prediction?.label === "normal");
emit(Name.SENSOR_DATA, [sample]);
emit("esp32_sensor_data", "{}");
emit("frontend_request_history");
emit("frontend_request_history", { limit: 50 });
emit("ping");
on(Name.STRESS_ALERT, (alert) => alert.sensor_data.hr === RANGES.hr.low && alert.state === "raised");
on("new_sensor_data", (reading) => reading.quality.includes("no_hr"));
// @ts-expect-error the server sends it
emit("stress_alert", {});
// @ts-expect-error no numbers in strings
emit("esp32_sensor_data", { hr: "70" });
// @ts-expect-error not an event
on("nothing", () => {});
// @ts-expect-error not a level
on("stress_alert", (alert) => alert.level === "panic");
"""
COMPILER = ROOT / "frontend/node_modules/typescript/bin/tsc"


@pytest.mark.skipif(not COMPILER.exists(), reason="the frontend's own check covers it where TypeScript is installed")
def test_typescript_accepts_right_uses_and_refuses_wrong_ones(tmp_path: Path) -> None:
    shutil.copy(TYPESCRIPT, tmp_path)
    (tmp_path / "use.ts").write_text(USE)
    options = ["--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    done = run(program("node"), needed(COMPILER), *options, tmp_path / "use.ts", cwd=tmp_path)
    assert done.returncode == 0, done.stdout


# --- the Node.js packages of the tests


def test_node_packages_are_pinned_and_locked_without_hosts() -> None:
    manifest = json.loads((JS / "package.json").read_text())
    assert all(re.fullmatch(r"(npm:[a-z.-]+@)?\d+\.\d+\.\d+", version) for version in manifest["devDependencies"].values())
    packages = json.loads((JS / "package-lock.json").read_text())["packages"]
    assert packages[""]["devDependencies"] == manifest["devDependencies"]
    locked = [package for path, package in packages.items() if path]
    assert locked
    for package in locked:
        assert "resolved" not in package
        assert package["integrity"].startswith("sha512-")
