"""A model trained once on a small generated recording."""

from pathlib import Path

import pytest

from models.training import train
from tests.models.streams import write_recording


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled recording of a few people."""
    return write_recording(tmp_path_factory.mktemp("recording") / "small.csv.gz")


@pytest.fixture(scope="session")
def trained(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model trained on it; tests that change it work on a copy."""
    directory = tmp_path_factory.mktemp("model")
    train(recording, directory, progress=lambda _: None)
    return directory
