"""Statements that SQLite and PostgreSQL spell differently."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ARRAY, ColumnElement, Connection, Dialect, FromClause, Insert, func, literal, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeEngine

_NUMBERING: Final = 7_305_119_212
"""PostgreSQL's advisory lock of who gives ids; the number only has to be ours."""
NUMBERED_S: Final = 2.0
"""How long a reader waits for the transactions under way; writers wait meanwhile."""


def insert_into(dialect: Dialect, table: type[DeclarativeBase]) -> sqlite.Insert | postgresql.Insert:
    """An ``INSERT`` that can say what to do ``ON CONFLICT``."""
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)


def least(dialect: Dialect, *values: ColumnElement[Any]) -> ColumnElement[Any]:
    """The least of values in a row."""
    return func.min(*values) if dialect.name == "sqlite" else func.least(*values)


def greatest(dialect: Dialect, *values: ColumnElement[Any]) -> ColumnElement[Any]:
    """The greatest of values in a row."""
    return func.max(*values) if dialect.name == "sqlite" else func.greatest(*values)


def insert_new(dialect: Dialect, table: type[DeclarativeBase], key: Sequence[str]) -> Insert:
    """``INSERT ... ON CONFLICT (key) DO NOTHING``: the rows that are there already are not returned."""
    return insert_into(dialect, table).on_conflict_do_nothing(index_elements=key)


def insert_or_replace(dialect: Dialect, table: type[DeclarativeBase], key: str) -> Insert:
    """``INSERT ... ON CONFLICT (key) DO UPDATE`` of all other columns."""
    insert = insert_into(dialect, table)
    columns = {column.name: insert.excluded[column.name] for column in table.__table__.columns if column.name != key}
    return insert.on_conflict_do_update(index_elements=[key], set_=columns)


def rows_of(dialect: Dialect, columns: Mapping[str, TypeEngine[Any]], rows: Sequence[Sequence[Any]]) -> FromClause:
    """`rows` as a table to join with: one parameter however many they are, where a list of values would be planned for
    each number of them anew (PostgreSQL took 49 ms for 500 keys, of this 3 ms).
    """
    if dialect.name == "sqlite":
        each = func.json_each(json.dumps(rows)).table_valued("value")
        parts = (func.json_extract(each.c.value, f"$[{at}]").label(name) for at, name in enumerate(columns))
        return select(*parts).subquery()
    arrays = (literal([row[at] for row in rows], ARRAY(kind)) for at, kind in enumerate(columns.values()))
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


def numbering(connection: Connection) -> None:
    """From now to its end this transaction gives ids to readings; any number of them may at once. See `numbered`."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock_shared(_NUMBERING)))


def numbered(connection: Connection) -> None:
    """Wait until no transaction is under way that has given ids to readings: what is read after this has no gaps that are
    filled later. On SQLite there is one writer, and ids are committed in their order.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{NUMBERED_S:g}s'"))
        connection.execute(select(func.pg_advisory_xact_lock(_NUMBERING)))
