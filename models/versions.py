"""Models that were made here: a folder for each version, its pin beside it, and the file that says which were chosen.

The last line of `chosen` is the version in use; to roll back is to take a line away. Without any, the shared model is used.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from models.artefact import pin, pin_path
from models.card import Card, read_card
from models.errors import ModelError

CHOSEN: Final = "chosen"


class Versions:
    """The models in a folder, which need not be there yet."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def current(self) -> Path | None:
        """The folder of the version in use; None: the shared model."""
        chosen = self._chosen()
        return self._folder / chosen[-1] if chosen else None

    @property
    def shared(self) -> Path | None:
        """The newest of the chosen versions that was not adapted to anybody; None: the shipped model."""
        for version in reversed(self._chosen()):
            if read_card(self._folder / version).adapted is None:
                return self._folder / version
        return None

    def cards(self) -> list[Card]:
        """Every version's card, by name."""
        return [read_card(path.with_suffix("")) for path in sorted(self._folder.glob("*.sha256"))]

    def add(self, write: Callable[[Path], Card]) -> Path:
        """Keep the model that `write` puts into a folder, without using it yet; the folder of its version."""
        part = self._folder / "part"
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
        """Use a version from the next start on. Raises ModelError for one that is not there."""
        known = [card.version for card in self.cards()]
        if version not in known:
            raise ModelError(f"{self._folder}: there is no version {version!r}; there are {', '.join(known) or 'none'}")
        self._choose([*self._chosen(), version])

    def roll_back(self) -> str | None:
        """Use what was used before; its version, None for the shared model. Raises ModelError where there is nothing."""
        chosen = self._chosen()
        if not chosen:
            raise ModelError(f"{self._folder}: the shared model is in use, there is nothing to go back to")
        self._choose(chosen[:-1])
        return chosen[-2] if len(chosen) > 1 else None

    def _chosen(self) -> list[str]:
        path = self._folder / CHOSEN
        return path.read_text().split() if path.is_file() else []

    def _choose(self, versions: list[str]) -> None:
        part = self._folder / f"part-{CHOSEN}"
        part.write_text("".join(f"{version}\n" for version in versions))
        part.replace(self._folder / CHOSEN)
