"""Statements that SQLite and PostgreSQL spell differently.

SQLAlchemy takes longer to build a statement than a database to execute it. So what every transaction executes is built
once, when its module is imported, for each dialect (`each_dialect`), and executed with parameters.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar

from sqlalchemy import ARRAY, ColumnElement, Connection, FromClause, Insert, Text, bindparam, func, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeEngine

Statement = TypeVar("Statement")

DIALECTS: Final = ("sqlite", "postgresql")
ID_LOCK_TIMEOUT_S: Final = 2.0
"""How long a reader waits for the transactions under way; writers wait meanwhile."""
_ID_LOCK: Final = 7_305_119_212
"""PostgreSQL's advisory lock for giving ids; the number only has to be unique."""
_LOCK_TIMEOUT: Final = text(f"SET LOCAL lock_timeout = '{ID_LOCK_TIMEOUT_S:g}s'")
_LOCK_IDS: Final = select(func.pg_advisory_xact_lock(_ID_LOCK))
_SHARE_ID_LOCK: Final = select(func.pg_advisory_xact_lock_shared(_ID_LOCK))


def each_dialect(build: Callable[[str], Statement]) -> Mapping[str, Statement]:
    """`build(name)` for the name of each dialect, by that name."""
    return MappingProxyType({name: build(name) for name in DIALECTS})


def insert_into(dialect: str, table: type[DeclarativeBase]) -> sqlite.Insert | postgresql.Insert:
    """An ``INSERT`` that can say what to do ``ON CONFLICT``."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def least(dialect: str, *values: ColumnElement[Any]) -> ColumnElement[Any]:
    """The least of values in a row."""
    return func.min(*values) if dialect == "sqlite" else func.least(*values)


def greatest(dialect: str, *values: ColumnElement[Any]) -> ColumnElement[Any]:
    """The greatest of values in a row."""
    return func.max(*values) if dialect == "sqlite" else func.greatest(*values)


def insert_new(dialect: str, table: type[DeclarativeBase], key: Sequence[str]) -> Insert:
    """``INSERT ... ON CONFLICT (key) DO NOTHING``: the rows that are there already are not returned."""
    return insert_into(dialect, table).on_conflict_do_nothing(index_elements=key)


def insert_or_replace(dialect: str, table: type[DeclarativeBase], key: str) -> Insert:
    """``INSERT ... ON CONFLICT (key) DO UPDATE`` of all other columns."""
    insert = insert_into(dialect, table)
    columns = {column.name: insert.excluded[column.name] for column in table.__table__.columns if column.name != key}
    return insert.on_conflict_do_update(index_elements=[key], set_=columns)


def given_rows(dialect: str, columns: Mapping[str, TypeEngine[Any]]) -> FromClause:
    """A table to join with, whose rows are a parameter, see `given`.

    It is one parameter for any number of rows. A list of values would be planned anew for each number of them (PostgreSQL
    took 49 ms for 500 keys, of this 3 ms).
    """
    if dialect == "sqlite":
        each = func.json_each(bindparam("given", type_=Text)).table_valued("value")
        parts = (func.json_extract(each.c.value, f"$[{index}]").label(name) for index, name in enumerate(columns))
        return select(*parts).subquery()
    arrays = (bindparam(f"given_{index}", type_=ARRAY(kind)) for index, kind in enumerate(columns.values()))
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


def given(dialect: str, rows: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """The parameters of a statement with `given_rows`: at least one row, each with a value for each column."""
    if dialect == "sqlite":
        return {"given": json.dumps(rows)}
    return {f"given_{index}": list(column) for index, column in enumerate(zip(*rows, strict=True))}


def share_id_lock(connection: Connection) -> None:
    """Hold the lock of transactions that give ids to readings until this one ends; any number may. See `await_id_lock`."""
    if connection.dialect.name == "postgresql":
        connection.execute(_SHARE_ID_LOCK)


def await_id_lock(connection: Connection) -> None:
    """Wait until no transaction is under way that has given ids to readings: what is read after this has no gaps that are
    filled later. On SQLite there is one writer, and ids are committed in their order.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK_TIMEOUT)
        connection.execute(_LOCK_IDS)
