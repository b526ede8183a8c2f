"""Models that were made here: a folder for each version, its pin beside it, and the file that says which were chosen.

The last line of `chosen` is the version in use; to roll back is to take a line away. Without any, the shared model is used.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from models.errors import ModelError
from models.files import text_of
from models.serving.artefact import load_artefact, pin, pin_path
from models.serving.card import VERSION, Card, read_card

CHOSEN: Final = "chosen"
CHOSEN_MOST: Final = 64 << 10
"""Bytes: thousands of choices."""
_PIN: Final = ".sha256"
_HINT: Final = "is STRESSWIRE_MODELS the folder that you mean?"


class Versions:
    """The models in a folder, which need not be there yet. Whatever else is in its place raises ModelError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def chosen_path(self) -> Path:
        """The file whose last line is the version in use."""
        return self._folder / CHOSEN

    @property
    def current(self) -> Path | None:
        """The folder of the version in use; None: the shared model."""
        chosen = self._chosen()
        return self._folder / chosen[-1] if chosen else None

    @property
    def shared(self) -> Path | None:
        """The newest of the chosen versions that was not adapted to anybody; None: the shipped model."""
        for version in reversed(self._chosen()):
            if self.card(version).adapted is None:
                return self._folder / version
        return None

    def names(self) -> list[str]:
        """Every version that has a pin."""
        with _as_model_error(self._folder, "be read"):
            if not self._folder.exists():
                return []
            files = [path.name for path in self._folder.iterdir()]
        names = (name.removesuffix(_PIN) for name in files if name.endswith(_PIN))
        return sorted(name for name in names if re.fullmatch(VERSION, name))

    def card(self, version: str) -> Card:
        """A version's card. Raises ModelError if it has none of its own."""
        folder = self._folder / version
        card = read_card(folder)
        if card.version != version:
            raise ModelError(f"{folder}: its card is that of {card.version}; train the model again: stresswire train")
        return card

    def add(self, write: Callable[[Path], Card]) -> Path:
        """Keep the model that `write` puts into a folder, without using it yet; the folder of its version."""
        part = self._folder / "part"
        with _as_model_error(self._folder, "be written"):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            try:
                folder = self._folder / write(part).version
                shutil.rmtree(folder, ignore_errors=True)
                part.rename(folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
                pin_path(part).unlink(missing_ok=True)
            pin(folder)
        return folder

    def use(self, version: str) -> None:
        """Use a version from the next start on. Raises ModelError for one that is not there, or that could not be used."""
        known = self.names()
        if version not in known:
            raise ModelError(f"{self._folder}: there is no version {version!r}; there are {', '.join(known) or 'none'}")
        load_artefact(self._folder / version)
        self.card(version)
        self._choose([*self._chosen(), version])

    def roll_back(self) -> str | None:
        """Use what was used before; its version, None for the shared model. Raises ModelError where there is nothing."""
        chosen = self._chosen()
        if not chosen:
            raise ModelError(f"{self._folder}: the shared model is in use, there is nothing to go back to")
        self._choose(chosen[:-1])
        return chosen[-2] if len(chosen) > 1 else None

    def _chosen(self) -> list[str]:
        """The lines of the file: plain names, none of which leads out of the folder."""
        path = self.chosen_path
        try:
            chosen = text_of(path, CHOSEN_MOST).split()
        except FileNotFoundError:
            if path.is_symlink():
                raise ModelError(f"{path}: it is a link to nothing; delete it to use the shipped model") from None
            return []
        except OSError as error:
            remedy = f"delete it to use the shipped model ({_HINT})"
            raise ModelError(f"{path}: it cannot be read ({error.strerror}); {remedy}") from error
        for version in chosen:
            if not re.fullmatch(VERSION, version):
                raise ModelError(
                    f"{path}: {version[:40]!r} is not the name of a version; take it out, or delete the file to use the"
                    " shipped model (stresswire model list says which versions there are)"
                )
        return chosen

    def _choose(self, versions: list[str]) -> None:
        part = self._folder / f"part-{CHOSEN}"
        with _as_model_error(self.chosen_path, "be written"):
            part.unlink(missing_ok=True)
            part.write_text("".join(f"{version}\n" for version in versions), encoding="utf-8")
            part.replace(self.chosen_path)


@contextmanager
def _as_model_error(path: Path, what: str) -> Iterator[None]:
    """Turn an OSError into a ModelError."""
    try:
        yield
    except OSError as error:
        raise ModelError(f"{path}: it cannot {what} ({error.strerror}); {_HINT}") from error
