from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness import Stack, mosquitto


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runs", type=int, default=2, help="how often each fault is brought about")


@pytest.fixture
def runs(request: pytest.FixtureRequest) -> int:
    """How often a fault is brought about: now and then in every test run, often in `make faults`."""
    return int(request.config.getoption("--runs"))


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """`stresswire up` as it comes."""
    with Stack(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One `stresswire up` for the tests of a module that do not mind each other."""
    with Stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(params=["embedded", "mosquitto"])
def any_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """`stresswire up` on each of the two buses."""
    if request.param == "embedded":
        with Stack(tmp_path) as running:
            yield running
    else:
        with mosquitto(tmp_path) as url, Stack(tmp_path, mqtt_url=url) as running:
            yield running
