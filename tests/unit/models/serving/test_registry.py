"""The versions in a models folder: kept, chosen, rolled back."""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from models.errors import ModelError
from models.serving.artefact import pin_path
from models.serving.card import Adaptation, Card, read_card, write_card
from models.serving.predictor import SHIPPED
from models.serving.registry import CHOSEN, Versions

ADAPTED = Adaptation("2-00000000", ("me",), 6, 900, 0.5, {}, 0.6, 0.5, 0.7, 0.8)


def writing(version: str, adapted: Adaptation | None = None) -> Callable[[Path], Card]:
    """Write the shipped model as this version."""

    def write(folder: Path) -> Card:
        shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
        card = msgspec.structs.replace(read_card(folder), version=version, adapted=adapted)
        write_card(folder, card)
        return card

    return write


def test_a_version_is_kept_until_it_is_chosen_and_rolled_back(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "models")
    assert (versions.current, versions.shared) == (None, None)
    assert versions.names() == []
    first, second = versions.add(writing("2-1")), versions.add(writing("2-2", ADAPTED))
    assert versions.current is None, "what is added is not in use yet"
    versions.use("2-1")
    versions.use("2-2")
    now = Versions(tmp_path / "models")
    assert (now.current, now.shared) == (second, first), "the shared model is the newest that is not adapted"
    assert versions.roll_back() == "2-1"
    assert versions.roll_back() is None
    assert versions.shared is None
    with pytest.raises(ModelError, match="nothing to go back to"):
        versions.roll_back()
    with pytest.raises(ModelError, match="there is no version '2-3'; there are 2-1, 2-2"):
        versions.use("2-3")


def test_only_folders_of_a_plain_name_with_a_pin_are_versions(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    made = versions.add(writing("2-1"))
    shutil.copy(pin_path(made), tmp_path / "not a name.sha256")
    shutil.copytree(made, tmp_path / "2-2")
    assert versions.names() == ["2-1"]


def test_a_version_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    made = versions.add(writing("2-1"))
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*"))

    def fail(folder: Path) -> Card:
        (folder / CHOSEN).write_text("half")
        raise ModelError("no")

    with pytest.raises(ModelError, match="no"):
        versions.add(fail)
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*")) == before
    assert versions.add(writing("2-1")) == made, "the same version again takes its place"


def test_a_folder_without_a_card_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"card\.json: the model card cannot be read \(No such file or directory\)"):
        read_card(tmp_path)
