"""The artefact on disk: plain arrays, no pickle; and the pin that says which bytes it must be made of.

The pin of a model's folder is the file `<folder>.sha256` beside it, in the format of `sha256sum`. Whoever can write in the
folder alone cannot make another model count.
"""

import hashlib
import io
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from models.card import ARTEFACT_NAME, CARD_NAME, Card, decode_card
from models.errors import ModelError
from models.features import FEATURES
from models.forest import EQUAL_TO, Evaluator, Forest
from models.state import Inputs, Matrix

FORMAT: Final = 2
"""Changes with the meaning of the arrays or of the features."""
_REMEDY: Final = "reinstall, or run: stresswire train"


class Artefact(NamedTuple):
    """The trees, slope and offset of the calibration, and rows with the scores that they must have."""

    forest: Forest
    calibration: tuple[float, float]
    check_x: Inputs
    check_scores: Matrix


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pin_path(directory: Path) -> Path:
    """Where the pin of a model's folder stands: outside it."""
    directory = directory.resolve()
    return directory.with_name(f"{directory.name}.sha256")


def save_artefact(path: Path, artefact: Artefact) -> str:
    """Write it; the same artefact gives the same bytes. Returns their SHA-256."""
    forest, calibration, check_x, check_scores = artefact
    np.savez(
        path,
        format=np.array(FORMAT),
        calibration=np.array(calibration),
        check_x=check_x,
        check_scores=check_scores,
        **forest._asdict(),
    )
    return sha256_of(path)


def pin(directory: Path) -> None:
    """Pin what is in the folder now."""
    directory = directory.resolve()
    lines = [f"{sha256_of(directory / name)}  {directory.name}/{name}\n" for name in (ARTEFACT_NAME, CARD_NAME)]
    pin_path(directory).write_text("".join(lines))


def load_artefact(directory: Path) -> tuple[Artefact, Card]:
    """The artefact and its card, checked. Raises ModelError, one line, for whatever is missing or does not fit."""
    directory = directory.resolve()
    pins = _pins(directory)
    card_path, path = directory / CARD_NAME, directory / ARTEFACT_NAME
    card = decode_card(card_path, _pinned(card_path, pins))
    if card.format != FORMAT or card.features != FEATURES:
        raise ModelError(
            f"{directory}: a model of format {card.format} with {len(card.features)} features, "
            f"this program has format {FORMAT} and {len(FEATURES)}; train it again: stresswire train"
        )
    artefact = _decode(path, _pinned(path, pins))
    wrong = np.abs(Evaluator(artefact.forest).scores(artefact.check_x) - artefact.check_scores)
    if not (wrong <= EQUAL_TO).all():
        raise ModelError(f"{path}: here it scores its own check rows differently, by {wrong.max():.2g}; {_REMEDY}")
    return artefact, card


def _pins(directory: Path) -> dict[str, str]:
    path = pin_path(directory)
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: the pin of the model cannot be read ({error}); {_REMEDY}") from error
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _pinned(path: Path, pins: dict[str, str]) -> bytes:
    """The content of a file whose SHA-256 is the one that was pinned."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read ({error.strerror}); {_REMEDY}") from error
    found, said = hashlib.sha256(content).hexdigest(), pins.get(f"{path.parent.name}/{path.name}", "nothing")
    if found != said:
        where = pin_path(path.parent)
        raise ModelError(f"{path}: not loaded, its SHA-256 is {found[:12]}... but {where} says {said[:12]}; {_REMEDY}")
    return content


def _decode(path: Path, content: bytes) -> Artefact:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            trees = {name: stored[name] for name in Forest._fields}
            slope, offset = stored["calibration"].tolist()
            forest = Forest(**{**trees, "base": float(trees["base"])})
            return Artefact(forest, (slope, offset), stored["check_x"], stored["check_scores"])
    except (OSError, EOFError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: not a model of this program ({error}); train it again: stresswire train") from error
