"""The words of docs/glossary.md: no private vocabulary in names, and docstrings that say what comes back."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("broker", "storage", "models", "ingest", "gateway", "stresswire")

PRIVATE = (
    "beside",
    "crowded",
    "deed",
    "door",
    "farewell",
    "house",
    "lane",
    "said",
    "stranger",
    "told",
    "uplink",
    "visitor",
)
"""Words that the glossary has a standard term for."""

RELATIVE = ("How", "What", "When", "Where", "Whether", "Which", "Who", "Whose")
"""A docstring that begins with one of these gives a purpose, and not what is returned."""


@cache
def nodes() -> tuple[tuple[Path, ast.AST], ...]:
    paths = (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")))
    ours = (path for path in paths if "migrations" not in path.parts)
    return tuple((path.relative_to(ROOT), node) for path in ours for node in ast.walk(ast.parse(path.read_text())))


def names_in(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.arg(arg=name):
            yield name
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.Attribute(attr=name, ctx=ast.Store()):
            yield name


def words_of(name: str) -> list[str]:
    """Words of a snake_case or CamelCase name, in lower case."""
    return [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]


def has_private_word(name: str) -> bool:
    return any(word.removesuffix("s") in PRIVATE or word in PRIVATE for word in words_of(name))


def begins_with_a_relative_clause(docstring: str) -> bool:
    return docstring.split(maxsplit=1)[0].rstrip(",.:") in RELATIVE


def test_names_are_standard_terms() -> None:
    found = {f"{path}: {name}" for path, node in nodes() for name in names_in(node) if has_private_word(name)}
    assert found == set()


def test_docstrings_say_what_comes_back() -> None:
    found = [
        f"{path}:{getattr(node, 'lineno', 1)} {docstring.splitlines()[0]}"
        for path, node in nodes()
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and (docstring := ast.get_docstring(node))
        and begins_with_a_relative_clause(docstring)
    ]
    assert found == []


@pytest.mark.parametrize("name", ["House", "_told", "record_deed", "live_lanes", "HouseRules", "STRANGERS"])
def test_a_private_word_is_seen(name: str) -> None:
    assert has_private_word(name)


@pytest.mark.parametrize("name", ["warehouse", "planes", "indoor", "HTTPServer"])
def test_a_word_that_only_holds_one_is_not(name: str) -> None:
    assert not has_private_word(name)


def test_a_relative_clause_is_seen() -> None:
    assert begins_with_a_relative_clause("Whether it holds.")
    assert not begins_with_a_relative_clause("Return whether it holds.")
