"""The artefact on disk: plain arrays, no pickle; and the pin that says which bytes it must be made of.

The pin of a model's folder is the file `<folder>.sha256` beside it, in the format of `sha256sum`. Whoever can write in the
folder alone cannot make another model count.
"""

import hashlib
import io
import zlib
from pathlib import Path
from typing import Final, NamedTuple
from zipfile import BadZipFile

import numpy as np

from models.errors import ModelError
from models.features.moments import Inputs, Matrix
from models.features.names import FEATURES
from models.files import content_of, text_of
from models.serving.card import ARTEFACT_NAME, CARD_MOST, CARD_NAME, Card, decode_card
from models.serving.forest import COMPARISONS, EQUAL_TO, LEAVES, Evaluator, Forest
from models.serving.reasons import GROUPS

FORMAT: Final = 2
"""Changes with the meaning of the arrays or of the features."""
_REMEDY: Final = "reinstall, or run: stresswire train"
PIN_MOST: Final = 4_096
ARTEFACT_MOST: Final = 64 << 20
"""Bytes; the shipped artefact has 200,000."""
_NOT_ARRAYS: Final = (
    ArithmeticError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zlib.error,
)
"""Exceptions of zipfile, zlib and numpy for content that is not an archive of arrays."""


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
    """Return the path of the pin of a model's folder, beside it. Raises ModelError if there can be none."""
    directory = _resolved(directory)
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
    directory = _resolved(directory)
    lines = [f"{sha256_of(directory / name)}  {directory.name}/{name}\n" for name in (ARTEFACT_NAME, CARD_NAME)]
    pin_path(directory).write_text("".join(lines), encoding="utf-8")


def load_artefact(directory: Path) -> tuple[Artefact, Card]:
    """The artefact and its card, checked. Raises ModelError, one line, for whatever is missing or does not fit."""
    directory = _resolved(directory)
    pins = _pins(directory)
    card_path, path = directory / CARD_NAME, directory / ARTEFACT_NAME
    card = decode_card(card_path, _pinned(card_path, pins, CARD_MOST))
    if card.format != FORMAT or card.features != FEATURES:
        raise ModelError(
            f"{directory}: a model of format {card.format} with {len(card.features)} features, "
            f"this program has format {FORMAT} and {len(FEATURES)}; train it again: stresswire train"
        )
    artefact = _decode(path, _pinned(path, pins, ARTEFACT_MOST))
    with np.errstate(all="ignore"):  # whatever numbers stand there: it is their sum that counts
        wrong = np.abs(Evaluator(artefact.forest).scores(artefact.check_x) - artefact.check_scores)
    if not (wrong <= EQUAL_TO).all():
        raise ModelError(f"{path}: here it scores its own check rows differently, by {wrong.max():.2g}; {_REMEDY}")
    return artefact, card


def _pins(directory: Path) -> dict[str, str]:
    path = pin_path(directory)
    try:
        lines = text_of(path, PIN_MOST).splitlines()
    except OSError as error:
        raise ModelError(f"{path}: the pin of the model cannot be read ({error.strerror}); {_REMEDY}") from error
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


def _pinned(path: Path, pins: dict[str, str], most: int) -> bytes:
    """The content of a file whose SHA-256 is the one that was pinned."""
    try:
        content = content_of(path, most)
    except OSError as error:
        raise ModelError(f"{path}: the model cannot be read ({error.strerror}); {_REMEDY}") from error
    found, expected = hashlib.sha256(content).hexdigest(), pins.get(f"{path.parent.name}/{path.name}", "nothing")
    if found != expected:
        where = pin_path(path.parent)
        raise ModelError(f"{path}: not loaded, its SHA-256 is {found[:12]}... but {where} says {expected[:12]}; {_REMEDY}")
    return content


def _decode(path: Path, content: bytes) -> Artefact:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            trees = {name: stored[name] for name in Forest._fields}
            slope, offset = stored["calibration"].tolist()
            forest = Forest(**{**trees, "base": float(trees["base"])})
            artefact = Artefact(forest, (slope, offset), stored["check_x"], stored["check_scores"])
            _check(artefact)
            return artefact
    except _NOT_ARRAYS as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ModelError(f"{path}: not a model of this program ({reason}); train it again: stresswire train") from error


def _check(artefact: Artefact) -> None:
    """Raises ValueError for arrays of other kinds or shapes than those of `Forest`, or that point outside the trees."""
    forest, calibration, check_x, check_scores = artefact
    trees, rows = len(forest.feature), len(check_x)
    shapes = {
        "feature": (forest.feature, "i", (trees, COMPARISONS)),
        "threshold": (forest.threshold, "f", (trees, COMPARISONS)),
        "missing_left": (forest.missing_left, "b", (trees, COMPARISONS)),
        "left": (forest.left, "i", (trees, COMPARISONS)),
        "right": (forest.right, "i", (trees, COMPARISONS)),
        "share": (forest.share, "f", (trees, LEAVES, len(GROUPS))),
        "check_x": (check_x, "f", (rows, len(FEATURES))),
        "check_scores": (check_scores, "f", (rows,)),
    }
    for name, (array, kind, shape) in shapes.items():
        if array.dtype.kind != kind or array.shape != shape:
            raise ValueError(f"{name} is {array.dtype}{list(array.shape)}")
    if not trees or not rows:
        raise ValueError("it has no trees, or no rows to check them with")
    if not ((forest.feature >= 0) & (forest.feature < len(FEATURES))).all():
        raise ValueError("a feature that there is not")
    if not all(((side >= -LEAVES) & (side < COMPARISONS)).all() for side in (forest.left, forest.right)):
        raise ValueError("a comparison that there is not")
    if not np.isfinite([*calibration, forest.base]).all():
        raise ValueError("a calibration that is no number")


def _resolved(directory: Path) -> Path:
    """The folder without links: its own name is in its pin."""
    try:
        found = directory.resolve()
    except (OSError, RuntimeError) as error:  # Python 3.11 calls links that go round in a circle a RuntimeError
        reason = error.strerror if isinstance(error, OSError) else "its links go round in a circle"
        raise ModelError(f"{directory}: not a folder of a model ({reason})") from error
    if not found.name:
        raise ModelError(f"{found}: not a folder of a model: its pin, the file of its name with .sha256, has no place")
    return found
