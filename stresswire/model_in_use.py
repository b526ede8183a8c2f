"""The model in use, and what to do where it cannot be used."""

from pathlib import Path

from models.errors import ModelError
from models.serving.artefact import Artefact, load_artefact
from models.serving.card import Card
from models.serving.predictor import SHIPPED, Predictor
from models.serving.registry import Versions
from stresswire.settings import PREFIX, Settings, SettingsError


def load_model(settings: Settings) -> Predictor:
    """The model of the settings: a folder, else the version chosen here, else the shipped one.

    Raises `ModelError`, and `SettingsError` for a share of stress that the model does not take.
    """
    artefact, card = _load(settings, settings.model_dir or Versions(settings.models).current)
    try:
        return Predictor(artefact, card, settings.stress_prior)
    except ModelError as error:
        raise SettingsError(f"{PREFIX}STRESS_PRIOR: {error}") from error


def load_shared(settings: Settings) -> tuple[Artefact, Card]:
    """The model that is adapted to one's own labels: as `load_model`, the newest that was not adapted to anybody."""
    return _load(settings, settings.model_dir or Versions(settings.models).shared)


def _load(settings: Settings, folder: Path | None) -> tuple[Artefact, Card]:
    try:
        return load_artefact(folder or SHIPPED)
    except ModelError as error:
        if folder is None:
            raise
        if settings.model_dir is not None:
            raise ModelError(f"{error}, or unset {PREFIX}MODEL_DIR") from error
        chosen = Versions(settings.models).chosen_path
        raise ModelError(f"{error}, or choose another (stresswire model list), or take its line out of {chosen}") from error
