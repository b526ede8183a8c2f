import pytest

from models.serving.predictor import Predictor
from storage.database import Database
from tests.support.pipeline import Pipeline


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """The shipped model."""
    return Predictor.load()


@pytest.fixture
def pipeline(database: Database, predictor: Predictor) -> Pipeline:
    """Transactions on it, without a bus."""
    return Pipeline(database, predictor)
