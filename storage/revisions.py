"""Revisions of the tables, in words: those that this release knows, and the one that a database has."""

from functools import cache
from pathlib import Path
from typing import Final

from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

MIGRATIONS: Final = Path(__file__).parent / "migrations"
VERSION_TABLE: Final = "alembic_version"


class RevisionError(Exception):
    """This release cannot use tables of that revision; the message says which it is, and which it knows."""


@cache
def known_revisions() -> tuple[str, ...]:
    """Return the revisions that this release knows, oldest first."""
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    return tuple(reversed([script.revision for script in scripts]))


def stored_revision(connection: Connection) -> str | None:
    """Return the revision of a database's tables; None if it has none, and so is not the record of any release."""
    if VERSION_TABLE not in inspect(connection).get_table_names():
        return None
    found: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()  # noqa: S608
    return found


def in_words(revision: str) -> tuple[bool, str]:
    """Return whether this release can use tables of a revision, and what that revision is."""
    known = known_revisions()
    if revision == known[-1]:
        return True, f"{revision}, the newest"
    if revision in known:
        return True, f"{revision} is older than {known[-1]}: `stresswire db upgrade`, or the next start, brings it up"
    later = revision.isdecimal() and revision > known[-1]
    whose = f"is of a later stresswire: use one that knows {revision}" if later else "is none of stresswire's"
    return False, f"{revision[:40]} {whose}; this one knows {known[0]} to {known[-1]}"


def check_revision(connection: Connection) -> None:
    """Raise `RevisionError` if the tables are of a later release, or of another program's."""
    stored = stored_revision(connection)
    usable, words = (True, "") if stored is None else in_words(stored)
    if not usable:
        raise RevisionError(words)
