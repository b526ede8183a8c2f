"""The artefact on disk. The one module that knows joblib, and so the one place where anything is unpickled.

A pickle runs code. It is opened only after its SHA-256 has been found to be the one in the card beside it, and only by
the release of scikit-learn that wrote it.
"""

import hashlib
import io
import pickle
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import joblib  # type: ignore[import-untyped]

from models.card import Card, read_card
from models.errors import ModelError
from models.inference import Member

_REMEDY = "reinstall, or run: stresswire train"


class Artefact(NamedTuple):
    """The members of the average, and slope and offset of the calibration."""

    members: list[Member]
    calibration: tuple[float, float]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_artefact(path: Path, artefact: Artefact) -> str:
    """Write it, compressed, as plain containers of estimators; returns its SHA-256."""
    joblib.dump({"members": artefact.members, "calibration": artefact.calibration}, path, compress=("zlib", 6))
    return sha256_of(path)


def load_artefact(directory: Path) -> tuple[Artefact, Card]:
    """The artefact and its card, checked. Raises ModelError, one line, for whatever is missing or does not fit."""
    card = read_card(directory)
    path = directory / Path(card.artefact).name
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read ({error.strerror}); {_REMEDY}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != card.artefact_sha256:
        said = card.artefact_sha256
        raise ModelError(f"{path}: not loaded, its SHA-256 is {found[:12]}... but the card says {said[:12]}...; {_REMEDY}")
    here = version("scikit-learn")
    if here != card.scikit_learn:
        raise ModelError(
            f"{path}: trained with scikit-learn {card.scikit_learn}, installed is {here}; "
            "install that one, or run: stresswire train"
        )
    return _unpickle(path, content), card


def _unpickle(path: Path, content: bytes) -> Artefact:
    try:
        stored = joblib.load(io.BytesIO(content))
        return Artefact(stored["members"], tuple(stored["calibration"]))
    except (pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError, ImportError) as error:
        raise ModelError(f"{path}: cannot be unpickled ({error}); train the model again: stresswire train") from error
