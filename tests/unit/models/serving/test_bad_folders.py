"""What may stand in a models folder instead of a model: each is one line that names the file, never waited for."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from models.errors import ModelError
from models.serving.artefact import PIN_MOST, load_artefact, pin, pin_path
from models.serving.card import ARTEFACT_NAME, CARD_MOST, CARD_NAME
from models.serving.predictor import SHIPPED
from models.serving.registry import CHOSEN, CHOSEN_MOST, Versions

VERSION = "2-00000000"
Spoil = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a version that is in use."""
    made = tmp_path / "models" / VERSION
    shutil.copytree(SHIPPED, made)
    change_card(made, version=VERSION)
    Versions(made.parent).use(VERSION)
    return made


def change_card(folder: Path, **values: Any) -> None:
    card = msgspec.json.decode((folder / CARD_NAME).read_bytes())
    (folder / CARD_NAME).write_bytes(msgspec.json.encode({**card, **values}))
    pin(folder)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


NOT_FILES: dict[str, Spoil] = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "the process's memory": lambda path: path.symlink_to("/proc/self/mem"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}
NOT_TEXT: dict[str, bytes] = {
    "binary": bytes(range(256)),
    "a NUL": f"{VERSION[:4]}\0{VERSION[4:]}\n".encode(),
    "UTF-16": VERSION.encode("utf-16"),
}
NOT_NAMES = (
    "..",
    "../..",
    ".",
    "/",
    "/etc",
    f"../models/{VERSION}",
    f"{VERSION}/",
    "é",
    "-rf",
    "x" * 300,
    f"..\n{VERSION}",
)


def said(raised: pytest.ExceptionInfo[ModelError], path: Path) -> str:
    message = str(raised.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def in_use(folder: Path) -> None:
    current = Versions(folder.parent).current
    assert current is not None
    load_artefact(current)


@pytest.mark.parametrize("name", [CHOSEN, f"{VERSION}.sha256", f"{VERSION}/{CARD_NAME}", f"{VERSION}/{ARTEFACT_NAME}"])
@pytest.mark.parametrize("spoil", NOT_FILES.values(), ids=NOT_FILES)
def test_what_is_no_file(folder: Path, name: str, spoil: Spoil) -> None:
    in_use(folder)
    path = folder.parent / name
    remove(path)
    spoil(path)
    with pytest.raises(ModelError) as raised:
        in_use(folder)
    said(raised, path)


@pytest.mark.parametrize("content", NOT_TEXT.values(), ids=NOT_TEXT)
def test_a_choice_that_is_not_text(folder: Path, content: bytes) -> None:
    path = folder.parent / CHOSEN
    path.write_bytes(content)
    with pytest.raises(ModelError) as raised:
        in_use(folder)
    assert "delete" in said(raised, path)


@pytest.mark.parametrize("name", NOT_NAMES)
def test_a_choice_is_a_plain_name(folder: Path, name: str) -> None:
    path = folder.parent / CHOSEN
    path.write_text(name, encoding="utf-8")
    with pytest.raises(ModelError, match="is not the name of a version") as raised:
        in_use(folder)
    assert "stresswire model list" in said(raised, path)


@pytest.mark.parametrize(
    ("name", "most"), [(CHOSEN, CHOSEN_MOST), (f"{VERSION}.sha256", PIN_MOST), (f"{VERSION}/{CARD_NAME}", CARD_MOST)]
)
def test_what_is_too_large_is_not_read(folder: Path, name: str, most: int) -> None:
    with (folder.parent / name).open("ab") as file:
        file.write(b" " * most)
    with pytest.raises(ModelError, match=f"more than {most:,} bytes") as raised:
        in_use(folder)
    said(raised, folder.parent / name)


@pytest.mark.parametrize(
    "values",
    [
        {"version": "../.."},
        {"version": "a\nb"},
        {"prior": 0},
        {"prior": 5},
        {"reference": {}},
        {"reference": {name: {"edges": [3, 1], "shares": [0.5, 0.5, 0]} for name in ("hr", "temp", "eda", "p")}},
        {"reference": {name: {"edges": [], "shares": []} for name in ("hr", "temp", "eda", "p")}},
    ],
    ids=str,
)
def test_a_card_that_would_fail_later(folder: Path, values: dict[str, Any]) -> None:
    change_card(folder, **values)
    with pytest.raises(ModelError, match="not a model card of this program") as raised:
        in_use(folder)
    said(raised, folder / CARD_NAME)


def test_a_card_of_endless_depth(folder: Path) -> None:
    (folder / CARD_NAME).write_bytes(b"[" * 200_000)
    pin(folder)
    with pytest.raises(ModelError, match="not a model card of this program"):
        in_use(folder)


ARRAYS: dict[str, Callable[[np.ndarray], Any]] = {
    "a number": lambda _: np.array(3),
    "text": lambda _: np.array("abc"),
    "empty": lambda _: np.array([]),
    "flat": lambda old: old.reshape(-1)[:5],
    "far too large": lambda old: np.full(old.shape, 10**6),
}


@pytest.mark.parametrize("name", ["feature", "threshold", "missing_left", "left", "right", "share", "check_x"])
@pytest.mark.parametrize("change", ARRAYS.values(), ids=ARRAYS)
def test_arrays_of_another_kind(folder: Path, name: str, change: Callable[[np.ndarray], Any]) -> None:
    path = folder / ARTEFACT_NAME
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays | {name: change(arrays[name])})
    pin(folder)
    with pytest.raises(ModelError) as raised:
        in_use(folder)
    said(raised, path)


WRONG_NUMBERS: dict[str, dict[str, Callable[[np.ndarray], Any]]] = {
    "it has no trees": {
        name: lambda old: old[:0] for name in ("feature", "threshold", "missing_left", "left", "right", "share")
    },
    "or no rows to check": {name: lambda old: old[:0] for name in ("check_x", "check_scores")},
    "a calibration that is no number": {"calibration": lambda old: old * np.nan},
}


@pytest.mark.parametrize(("reason", "changes"), WRONG_NUMBERS.items(), ids=WRONG_NUMBERS)
def test_arrays_that_say_nothing(folder: Path, reason: str, changes: dict[str, Callable[[np.ndarray], Any]]) -> None:
    path = folder / ARTEFACT_NAME
    with np.load(path) as stored:
        arrays = dict(stored)
    np.savez(path, **arrays | {name: change(arrays[name]) for name, change in changes.items()})
    pin(folder)
    with pytest.raises(ModelError, match=reason) as raised:
        in_use(folder)
    said(raised, path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(99), b"\x80\x04K\x01.", b"\x93NUMPY\x01\x00"], ids=str)
def test_an_artefact_that_is_no_archive(folder: Path, content: bytes) -> None:
    path = folder / ARTEFACT_NAME
    path.write_bytes(content)
    pin(folder)
    with pytest.raises(ModelError, match="not a model of this program") as raised:
        in_use(folder)
    said(raised, path)


def test_half_an_artefact(folder: Path) -> None:
    path = folder / ARTEFACT_NAME
    path.write_bytes(path.read_bytes()[:90_000])
    pin(folder)
    with pytest.raises(ModelError, match="not a model of this program"):
        in_use(folder)


@pytest.mark.parametrize("place", ["/", "loop"])
def test_a_folder_that_can_have_no_pin(tmp_path: Path, place: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ModelError, match="not a folder of a model"):
        load_artefact(tmp_path / place)


@pytest.mark.parametrize("spoil", NOT_FILES.values(), ids=NOT_FILES)
def test_what_is_in_the_way_of_a_choice(folder: Path, spoil: Spoil) -> None:
    spoil(folder.parent / f"part-{CHOSEN}")
    with contextlib.suppress(ModelError):
        Versions(folder.parent).use(VERSION)
    assert (folder.parent / CHOSEN).read_text().split()[0] == VERSION


def test_a_models_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("")
    versions = Versions(tmp_path / "models")
    for act in (lambda: versions.current, versions.names, lambda: versions.add(lambda _: pytest.fail("it wrote"))):
        with pytest.raises(ModelError, match="STRESSWIRE_MODELS") as raised:
            act()
        said(raised, tmp_path / "models")


def test_a_version_that_could_not_start_is_not_chosen(folder: Path) -> None:
    pin_path(folder).write_text("")
    with pytest.raises(ModelError, match="SHA-256"):
        Versions(folder.parent).use(VERSION)
    assert (folder.parent / CHOSEN).read_text() == f"{VERSION}\n"


def test_another_versions_card_is_not_its_own(folder: Path) -> None:
    change_card(folder, version="2-11111111")
    with pytest.raises(ModelError, match="its card is that of 2-11111111"):
        Versions(folder.parent).use(VERSION)
