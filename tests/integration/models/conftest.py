"""A model trained once on a small generated recording."""

from pathlib import Path

import pytest

from models.training.train import Sources, train
from tests.support.streams import write_exercise, write_recording


@pytest.fixture(scope="session")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A labelled recording of a few people."""
    return write_recording(tmp_path_factory.mktemp("recording") / "small.csv.gz")


@pytest.fixture(scope="session")
def sources(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """That recording, and one of exercise."""
    return Sources(recording, write_exercise(tmp_path_factory.mktemp("exercise") / "exercise.csv"))


@pytest.fixture(scope="session")
def trained(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model trained on them; tests that change it work on a copy."""
    directory = tmp_path_factory.mktemp("models") / "model"
    train(sources, directory, progress=lambda *_: None, jobs=1)
    return directory
