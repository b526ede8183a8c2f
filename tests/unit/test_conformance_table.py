"""docs/mqtt-conformance.md and the tests that it names say the same."""

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs" / "mqtt-conformance.md").read_text()
STATEMENT = r"MQTT-\d+\.\d+\.\d+-\d+"


@cache
def functions() -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]:
    """Every test of the repository's own."""
    folders = (TESTS / tier for tier in ("unit", "integration", "system"))
    return tuple(
        node
        for folder in folders
        for path in folder.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    )


def covered(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The statements of a test's `covers` marker."""
    marks = [one for one in function.decorator_list if isinstance(one, ast.Call)]
    calls = [one for one in marks if ast.unparse(one.func) == "pytest.mark.covers"]
    return {ast.literal_eval(argument) for call in calls for argument in call.args}


def section(title: str) -> str:
    return re.split(r"^## ", DOCUMENT.split(f"## {title}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def named(cell: str) -> set[str]:
    return set(re.findall(r"`(test_\w+)`", cell))


def test_the_table_names_the_tests_that_cover_each_statement() -> None:
    marked: dict[str, set[str]] = defaultdict(set)
    for function in functions():
        for statement in covered(function):
            marked[statement].add(function.name)
    table = rows("Statements that hold")
    assert len({row[0] for row in table}) == len(table)
    assert {statement: named(tests) for statement, _, tests in table} == dict(marked)
    assert all(says for _, says, _ in table)


def test_the_statements_are_in_their_order_and_each_is_told_once() -> None:
    held = [row[0] for row in rows("Statements that hold")]
    assert held == sorted(held, key=lambda one: [int(number) for number in re.findall(r"\d+", one)])
    others = re.findall(STATEMENT, section("Statements that are not tested here"))
    assert others
    assert not set(others) & set(held)
    assert all(re.fullmatch(STATEMENT, one) for one in held)


def test_every_deviation_names_a_test_that_exists() -> None:
    known = {function.name for function in functions()}
    deviations = rows("What is done otherwise")
    assert deviations
    for _, _, reason, tests in deviations:
        assert reason
        assert named(tests)
        assert named(tests) <= known
