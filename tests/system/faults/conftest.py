import pytest

from tests.system.faults.report import Report

REPORT = pytest.StashKey[Report]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPORT] = Report()


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Report:
    """Where each fault's ledger goes."""
    return request.config.stash[REPORT]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    found = config.stash[REPORT]
    if found.rows:
        terminalreporter.section("faults")
        for line in found.lines():
            terminalreporter.write_line(line)
