from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A real SQLite file."""
    with Database(f"sqlite:///{tmp_path / 'record.db'}") as opened:
        yield opened
