"""Statements in both spellings, without a database."""

from typing import Any

import pytest
from sqlalchemy import Dialect, select
from sqlalchemy.dialects import postgresql, sqlite

from storage import device_state, readings, rollups
from storage.dialects import DIALECTS, each_dialect, given, given_rows
from storage.tables import HistoryStress

COMPILERS: dict[str, Dialect] = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}  # type: ignore[no-untyped-call]
COLUMNS = {name: HistoryStress.__table__.columns[name].type for name in ("device_id", "seq")}


@pytest.mark.parametrize(
    ("dialect", "parameters"),
    [
        ("sqlite", {"given": '[["d", 1], ["\\u00e9", 2]]'}),
        ("postgresql", {"given_0": ["d", "é"], "given_1": [1, 2]}),
    ],
)
def test_given_rows_are_as_many_parameters_for_any_number_of_rows(dialect: str, parameters: dict[str, Any]) -> None:
    assert given(dialect, [("d", 1), ("é", 2)]) == parameters
    statement = select(given_rows(dialect, COLUMNS).c.seq).compile(dialect=COMPILERS[dialect])
    assert {name for name in statement.params if name.startswith("given")} == set(parameters)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (readings._INSERT, {"sqlite": "ON CONFLICT (device_id, boot, seq) DO NOTHING RETURNING id"}),
        (rollups._UPSERT, {"sqlite": "coalesce(min(", "postgresql": "coalesce(least("}),
        (device_state._SAVE, {"sqlite": "ON CONFLICT (device_id) DO UPDATE SET last_id = excluded.last_id"}),
        (readings._BY_KEY, {"sqlite": "json_each(", "postgresql": "unnest("}),
        (device_state._NEWEST, {"sqlite": "json_each(", "postgresql": "unnest("}),
    ],
)
def test_a_statement_is_spelled_for_its_dialect(dialect: str, statements: Any, expected: dict[str, str]) -> None:
    text = " ".join(str(statements[dialect].compile(dialect=COMPILERS[dialect])).split())
    assert expected.get(dialect, expected["sqlite"]) in text.replace("history_stress.id", "id")


def test_each_dialect_is_built_once_and_cannot_be_changed() -> None:
    built: list[str] = []
    statements = each_dialect(lambda name: built.append(name) or name)  # type: ignore[func-returns-value]
    assert [statements[name] for name in DIALECTS] == built == list(DIALECTS)
    with pytest.raises(TypeError):
        statements["sqlite"] = "another"  # type: ignore[index]
