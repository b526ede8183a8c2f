"""Loading the model in use, with error messages that name the remedy."""

from pathlib import Path

from models.errors import ModelError
from models.serving.artefact import Artefact, load_artefact
from models.serving.card import Card
from models.serving.predictor import SHIPPED, Predictor
from models.serving.registry import Versions
from stresswire.settings import PREFIX, Settings, SettingsError


def load_model(settings: Settings) -> Predictor:
    """Return the model of the settings: a folder, else the chosen version, else the shipped one.

    Raises:
        ModelError: the model cannot be loaded.
        SettingsError: the model does not accept the share of stress in the settings.
    """
    artefact, card = _load(settings, settings.model_dir or Versions(settings.models).current)
    try:
        return Predictor(artefact, card, settings.stress_prior)
    except ModelError as error:
        raise SettingsError(f"{PREFIX}STRESS_PRIOR: {error}") from error


def load_shared(settings: Settings) -> tuple[Artefact, Card]:
    """Return the model to adapt: found as in `load_model`, but the newest version that was itself not adapted."""
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
        raise ModelError(f"{error}, or choose another (stresswire model list), or remove its line from {chosen}") from error
