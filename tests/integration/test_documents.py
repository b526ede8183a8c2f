"""What the documents name is there: files, make targets, commands, settings and their defaults, topics, payloads."""

import json
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from pydantic import SecretStr

from broker.contract import CHANNELS, NEW_SENSOR_DATA, ROOT, DataReceived, Name, NewSensorData, SensorSample
from gateway.http.routes.catalogue import ENDPOINTS
from gateway.mqtt_websocket import MQTT
from gateway.paths import SOCKET_IO
from models.recordings import PREDICTION_COLUMNS, REQUIRED
from storage.tables import Base
from stresswire import __version__
from stresswire.cli.main import app
from stresswire.settings import _SECRETS, PREFIX, Settings

HERE = Path(__file__).parents[2]
README = (HERE / "README.md").read_text()
USER_PAGES = ("clients", "messages", "stress-level", "deployment", "access", "settings", "operations")
GUIDE = "\n".join([README, *((HERE / "docs" / f"{name}.md").read_text() for name in USER_PAGES)])
"""What users read."""
SETTINGS_PAGE = (HERE / "docs" / "settings.md").read_text()
MESSAGES_PAGE = (HERE / "docs" / "messages.md").read_text()
OPERATIONS_PAGE = (HERE / "docs" / "operations.md").read_text()
DEPLOYMENT_PAGE = (HERE / "docs" / "deployment.md").read_text()
RECIPES_PAGE = (HERE / "docs" / "recipes.md").read_text()
CONTRIBUTING = (HERE / "CONTRIBUTING.md").read_text()
FIRMWARE = HERE / "firmware" / "esp32_pubsubclient"
DOCUMENTS = [
    HERE / "README.md",
    HERE / "CONTRIBUTING.md",
    *sorted((HERE / "docs").rglob("*.md")),
    FIRMWARE / "README.md",
    *sorted((FIRMWARE / "docs").glob("*.md")),
]
SETTINGS = {f"{PREFIX}{name.upper()}": field.default for name, field in Settings.model_fields.items()}
SECRET_FILES = {f"{PREFIX}{name.upper()}_FILE" for name in _SECRETS}
UNSET = "unset"


def code(text: str) -> Iterator[str]:
    """What a document shows as code: a line of a block, or a span; without a shell comment behind it."""
    fenced = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for block in fenced.findall(text):
        yield from block.splitlines()
    rest = fenced.sub("", text)
    for indented in re.findall(r"^ {4}(\S.*)$", rest, re.MULTILINE):
        yield re.sub(r"\s{2,}#.*", "", indented)
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"^ {4}.*$", "", rest, flags=re.MULTILINE))


def found(pattern: str, text: str = GUIDE) -> set[str]:
    """Every match in a document's code; a test over none would pass without the feature."""
    matches = {match for line in code(text) for match in re.findall(pattern, line)}
    assert matches
    return matches


def rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the table of a section, without its head and the backticks around a cell."""
    section = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    assert lines
    return [[cell.strip(" `") for cell in line.strip("|").split(" | ")] for line in lines]


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def tracked() -> list[Path]:
    """The files of the repository, also those that are about to be committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=HERE, capture_output=True, check=True
    )
    paths = [HERE / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


# --- links


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_images_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    links = re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", text)
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        name, _, fragment = link.partition("#")
        target = document if not name else (document.parent / name).resolve()
        assert target.exists(), link
        assert target.is_relative_to(HERE), link
        if fragment:
            assert fragment in map(anchor, re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)), link


def test_readme_is_short_enough_to_be_read() -> None:
    assert len(README.encode()) < 9_000


def test_readme_links_to_every_page_and_to_what_a_reader_looks_for() -> None:
    links = set(re.findall(r"\]\(([^)]+)\)", README))
    assert links >= {f"docs/{path.name}" for path in (HERE / "docs").glob("*.md")}
    assert links >= {
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "LICENSE",
        "docs/dataflow.svg",
        "docs/asyncapi.yaml",
        "docs/openapi.yaml",
        "models/shipped/MODEL_CARD.md",
    }


def test_every_finding_is_in_the_list_of_findings() -> None:
    listed = re.findall(r"^\| \[(.*)\]\((.*)\) \| .+ \|$", (HERE / "findings" / "README.md").read_text(), re.MULTILINE)
    assert sorted(name for name, _ in listed) == sorted(path.name for path in (HERE / "findings").glob("*.sh"))
    assert all(name == link for name, link in listed)


def test_the_page_of_brokers_reckons_with_the_firmwares_keep_alive() -> None:
    (keep_alive_s,) = map(int, re.findall(r"kKeepAliveS = (\d+);", (FIRMWARE / "src" / "mqtt.cpp").read_text()))
    longest_s = keep_alive_s * 3 // 2 + 1
    others = f"on Mosquitto {longest_s + 6} s, on RabbitMQ {3 * keep_alive_s} s"
    said = f"with {keep_alive_s} s, as ours has, {longest_s} s, {others}"
    assert said in " ".join((HERE / "docs" / "brokers.md").read_text().split())


def test_the_sensor_for_home_assistant_is_of_a_reading() -> None:
    text = (HERE / "docs" / "clients.md").read_text()
    (topic,) = re.findall(r"state_topic: (\S+)", text)
    (field,) = re.findall(r"value_template: .*value_json\.(\w+)", text)
    assert topic == NEW_SENSOR_DATA.topic("ESP32_001")
    assert field in NewSensorData.__struct_fields__


# --- the code

PACKAGES = ("broker", "storage", "models", "ingest", "gateway", "stresswire", "tools")
FOLDERS = (*PACKAGES, "bench", "findings", "frontend", "firmware", "tests")
GLOSSARY = (HERE / "docs" / "glossary.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_files_and_folders_that_are_named_exist(document: Path) -> None:
    """From the root of the repository, as in `broker/bus.py`; a star stands for any ending."""
    named = re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w/.*-]*)`", document.read_text())
    root = FIRMWARE if document.is_relative_to(FIRMWARE) else HERE
    assert [name for name in named if not (any(root.glob(name)) or any(HERE.glob(name)))] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_modules_that_are_named_without_their_folder_exist(document: Path) -> None:
    files = {path.name for path in tracked()}
    assert set(re.findall(r"`(\w+\.py)`", document.read_text())) - files == set()


@pytest.mark.parametrize(
    "file", [*(HERE / "deploy").rglob("*"), HERE / "Makefile", HERE / "pyproject.toml"], ids=lambda path: path.name
)
def test_modules_that_are_named_in_settings_exist(file: Path) -> None:
    named = re.findall(rf"\b((?:{'|'.join(FOLDERS)})/[\w/]+\.py)\b", file.read_text() if file.is_file() else "")
    assert [name for name in named if not (HERE / name).is_file()] == []


def test_the_glossary_is_in_order() -> None:
    terms = [row[0] for row in rows(GLOSSARY, "Glossary")]
    assert terms == sorted(terms, key=str.lower)


def test_the_glossary_speaks_of_what_is_in_the_code() -> None:
    code = "\n".join(path.read_text() for part in PACKAGES for path in (HERE / part).rglob("*.py"))
    words = set(re.findall(r"\w+", code)) | SETTINGS.keys()
    last_cells = re.findall(r"\| ([^|]*) \|$", GLOSSARY, re.MULTILINE)
    named = [name for cell in last_cells for name in re.findall(r"`([^`]+)`", cell)]
    assert len(named) > 40
    found = [(HERE / name).exists() if "/" in name else set(name.split(".")) <= words for name in named]
    assert [name for name, there in zip(named, found, strict=True) if not there] == []


# --- commands


@pytest.mark.parametrize("text", [README, GUIDE, CONTRIBUTING], ids=["README", "GUIDE", "CONTRIBUTING"])
def test_make_targets_exist(text: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (HERE / "Makefile").read_text(), re.MULTILINE))
    assert found(r"(?:^|[\s/])make ([a-z-]+)", text) <= targets


def test_contributing_tells_every_make_target() -> None:
    targets = re.search(r"^\.PHONY: (.*)$", (HERE / "Makefile").read_text(), re.MULTILINE)
    assert targets is not None
    told = found(r"^make ([a-z-]+)$", CONTRIBUTING)
    assert told >= set(targets[1].split()) - {"install-dev"}


def test_contributing_names_the_rooms_that_are_covered() -> None:
    coverage = tomllib.loads((HERE / "pyproject.toml").read_text())["tool"]["coverage"]
    assert coverage["report"]["fail_under"] == 100
    paragraph = re.search(r"^`make coverage` is a gate.*?\n\n", CONTRIBUTING, re.MULTILINE | re.DOTALL)
    assert paragraph is not None
    assert set(coverage["run"]["source"]) <= set(re.findall(r"`([^`]+)`", paragraph[0]))


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    return dict(group.commands)


def test_stresswire_commands_and_their_options_exist() -> None:
    shown = [shlex.split(line, comments=True) for line in code(GUIDE) if re.match(r"(\S*/)?stresswire ", line)]
    assert {words[1] for words in shown} >= {"up", "replay", "predict", "train"}
    for _, name, *arguments in shown:
        command = commands()[name]
        if hasattr(command, "commands"):
            command = command.commands[arguments[0]]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= options, name


def test_deployment_tells_every_command() -> None:
    told = {row[0].split(" ")[1] for row in rows(DEPLOYMENT_PAGE, "Commands")}
    assert told == set(commands())


def test_parts_that_run_apart_exist() -> None:
    parts = found(r"python -m (\w+)$")
    assert parts == {"broker", "ingest", "gateway"}
    assert all((HERE / part / "__main__.py").is_file() for part in parts)


def test_columns_of_recordings_are_those_of_the_code() -> None:
    assert found(r"subject,t,.*") >= {",".join(REQUIRED)}
    assert ",".join(PREDICTION_COLUMNS) in GUIDE


# --- settings


def table() -> dict[str, str]:
    rows = re.findall(rf"^\| `({PREFIX}\w+)` \| ([^|]*) \|", SETTINGS_PAGE, re.MULTILINE)
    return {name: default.strip("` ") for name, default in rows}


def as_told(default: object) -> str:
    if isinstance(default, SecretStr):
        return default.get_secret_value()
    if isinstance(default, float):
        return f"{default:g}"
    return UNSET if default is None or default == () else str(default)


def test_settings_table_has_every_setting_with_its_default() -> None:
    assert table() == {name: as_told(default) for name, default in SETTINGS.items()}


@pytest.mark.parametrize("path", ["CHANGELOG.md", "Dockerfile", "compose.yaml"])
def test_variables_are_settings(path: str) -> None:
    assert variables((HERE / path).read_text()) <= SETTINGS.keys() | SECRET_FILES


def test_variables_of_the_guide_are_settings() -> None:
    assert SECRET_FILES < variables(GUIDE) <= SETTINGS.keys() | SECRET_FILES


def variables(text: str) -> set[str]:
    named = set(re.findall(rf"{PREFIX}\w+", text))
    assert named
    return named


# --- the contract


def test_topics_are_the_contracts() -> None:
    last = found(rf"{re.escape(ROOT)}/[^/\s]+/([\w<>]+)")
    assert last - {"<name>"} <= {channel.name.value for channel in CHANNELS}


def test_messages_tell_of_every_channel_and_event() -> None:
    table = rows(MESSAGES_PAGE, "Topics and events")
    told = {row[0]: (row[2], row[3]) for row in table}
    assert told.pop(Name.SENSOR_DATA.value) == ("0 or 1", "no")
    others = [channel for channel in CHANNELS if channel.name is not Name.SENSOR_DATA]
    assert told == {one.name.value: (str(one.qos), "yes" if one.retained else "no") for one in others}
    audiences = {None: "pipeline", "frontend": "frontends", "device": "device", "sender": "device"}
    ways = {one.name.value: f"{one.sender} to {audiences[one.audience]}" for one in CHANNELS}
    assert {row[0]: row[1].partition(";")[0] for row in table} == ways
    assert set(Name) <= set(re.findall(r"`(\w+)`", MESSAGES_PAGE))


def test_messages_tell_of_every_table() -> None:
    told = {name.strip(" `") for row in rows(MESSAGES_PAGE, "The record") for name in row[0].split(",")}
    assert told == set(Base.metadata.tables)


def test_operations_tell_of_every_metric() -> None:
    made = re.compile(r'(?:Counter|Gauge|Histogram|Info)\(\s*"(stresswire_\w+)"')
    code = [path.read_text() for part in ("ingest", "gateway", "stresswire") for path in (HERE / part).rglob("*.py")]
    metrics = {name for text in code for name in made.findall(text)}
    told = {name for row in rows(OPERATIONS_PAGE, "Metrics") for name in re.findall(r"stresswire_\w+", row[0])}
    assert metrics
    assert {re.sub("_(total|info)$", "", name) for name in told} == metrics


NEW_NAMES = {"firmware_log", "resp"}
"""What the recipes add, as an example."""


def test_recipes_name_tests_that_exist() -> None:
    written = "\n".join(path.read_text() for path in (HERE / "tests").rglob("test_*.py"))
    named = set(re.findall(r"`(test_\w+)`", RECIPES_PAGE))
    assert named
    assert {name for name in named if f"def {name}(" not in written} == set()
    files = {path.name for path in (HERE / "tests").rglob("test_*.py")}
    assert set(re.findall(r"`(?:\w+/)*(test_\w+\.py)`", RECIPES_PAGE)) <= files


def test_recipes_name_what_is_in_the_code() -> None:
    """Names anywhere in the code; for `name` in `file.py`, in that file."""
    paths = [path for part in (*PACKAGES, "tests") for path in (HERE / part).rglob("*.py")]
    words = {word for path in paths for word in re.findall(r"\w+", path.read_text())}
    text = " ".join(RECIPES_PAGE.split())
    named = set(re.findall(r"`([A-Za-z_]\w+)`", text)) - NEW_NAMES
    assert len(named) > 40
    assert named - words == set()
    placed = re.findall(r"`(\w+)` in `([\w/]+\.py)`", text)
    assert placed
    assert [(name, file) for name, file in placed if name not in re.findall(r"\w+", (HERE / file).read_text())] == []


def test_paths_are_the_gateways() -> None:
    served = {endpoint.path for endpoint in ENDPOINTS} | {MQTT, SOCKET_IO}
    named = set(re.findall(r"(?:127\.0\.0\.1:5000|`)(/[\w/.]*)", GUIDE + (HERE / "CHANGELOG.md").read_text()))
    assert named
    assert named <= served


def test_samples_are_valid() -> None:
    samples = [msgspec.json.decode(text, type=SensorSample) for text in found(r" -[dm] '(\{.*?\})'")]
    assert all(sample.hr and sample.temp and sample.eda for sample in samples)
    for argument in found(r'"(\[\\"esp32_sensor_data\\".*\])"'):
        event, sample = json.loads(argument.replace('\\"', '"'))
        assert event == "esp32_sensor_data"
        msgspec.convert(sample, SensorSample)


def test_answers_are_valid() -> None:
    answers = re.findall(r"^```json\n(.*?)\n```$", GUIDE, re.MULTILINE | re.DOTALL)
    read = [msgspec.json.decode(text, type=DataReceived) for text in answers]
    assert {one.status for one in read} == {"success", "error"}
    known = set(DataReceived.__struct_fields__)
    assert all(json.loads(text).keys() <= known for text in answers)


# --- the repository


def test_changelog_tells_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (HERE / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert next(version for version in versions if version != "Unreleased") == __version__


def test_no_paths_of_somebodys_machine() -> None:
    folders = "work|home|root|Users|mnt|srv"
    machine = re.compile(rf"(?<![\w.}}/:*-])(?:/(?:{folders})/[A-Za-z_]|[A-Z]:\\\\?Users)")
    paths = tracked()
    assert HERE / "README.md" in paths
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        assert (where := machine.search(text)) is None, f"{path.name}: {where}"


def test_locks_name_no_host() -> None:
    locks = [path for path in tracked() if path.name.endswith(".lock") or path.name == "package-lock.json"]
    assert len(locks) >= 4
    for path in locks:
        lines = path.read_text().splitlines()
        hosts = [line for line in lines if "://" in line and not re.search(r'"(url|funding|homepage|deprecated)":', line)]
        assert hosts == [], path.name
        assert not [line for line in lines if line.startswith("--")], path.name
