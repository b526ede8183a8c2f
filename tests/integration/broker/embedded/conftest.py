import pytest

STATEMENTS = "statements"


@pytest.fixture(autouse=True, name=STATEMENTS)
def _statements(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The statements of the standard that a conformance test proves."""
    return getattr(request, "param", ())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Put the statements of the `covers` marker into the name of a test."""
    statements = [name for mark in metafunc.definition.iter_markers("covers") for name in mark.args]
    if statements:
        metafunc.parametrize(STATEMENTS, [tuple(statements)], ids=[" ".join(statements)], indirect=True)
