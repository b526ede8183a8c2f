import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from storage.database import Database
from tests.support.harness import Stack, mosquitto
from tests.support.postgres import PostgresServer, fast_postgres
from tests.support.programs import missing

CASES = "cases"
FIRST = (
    "test_outages",
    "test_set_points",
    "test_training",
    "test_clock_jumps",
    "test_recovery",
    "test_sketches",
    "test_network",
    "test_supervision",
    "test_guarded",
    "test_hostile_messages",
    "test_rabbitmq",
)
"""The modules that take longest: begun early, for no worker to be left with one of them alone at the end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--runs", type=int, default=1, help="how often each fault is brought about")
    parser.addoption("--all", action="store_true", help="fail, rather than skip, for what is not installed")


@contextlib.contextmanager
def skipped_if_not_installed(item: pytest.Item) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        reason = None if item.config.getoption("--all") else missing(error)
        if reason is None:
            raise
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Skip a test whose fixtures need a program that is not installed."""
    with skipped_if_not_installed(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Skip a test that needs a program that is not installed."""
    with skipped_if_not_installed(item):
        return (yield)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest modules first; the others stay in order."""
    for item in items:
        for mark in item.iter_markers("covers"):
            item.extra_keyword_matches.update(mark.args)  # `pytest -k MQTT-3.1.2-24` runs what proves that clause
    items.sort(key=lambda item: FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST))


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many cases each test made that makes its own."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == CASES:
                terminalreporter.write_line(f"{report.nodeid}: {value}")


@pytest.fixture
def cases(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Tells how many cases a test has made, for the summary."""
    return lambda text: record_property(CASES, text)


@pytest.fixture
def runs(request: pytest.FixtureRequest) -> int:
    """How often a fault is brought about: now and then in every test run, often in `make faults`."""
    return int(request.config.getoption("--runs"))


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real PostgreSQL for the tests of this process."""
    with fast_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty database is to be had, on each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'record.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.create()


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """A real SQLite file, for what only SQLite does."""
    with Database(f"sqlite:///{tmp_path / 'record.db'}") as opened:
        yield opened


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open database, migrated, on each of the two."""
    with Database(database_url) as opened:
        yield opened


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


@pytest.fixture(params=["embedded, SQLite", "Mosquitto, PostgreSQL"])
def any_stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    """`stresswire up` on each of the two buses and of the two databases."""
    if request.param == "embedded, SQLite":
        with Stack(tmp_path) as running:
            yield running
    else:
        database_url = request.getfixturevalue("postgres").create()
        with mosquitto(tmp_path) as url, Stack(tmp_path, mqtt_url=url, database_url=database_url) as running:
            yield running
