"""Words that are nearly one of those that are known. Pure."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")


def bare(word: str) -> str:
    """Return a word without its case, and without what is written for a space or around it."""
    return word.lower().replace("_", "").replace("-", "").strip("/ ")


def nearest(word: str, meanings: Mapping[str, T], least: float) -> T | None:
    """Return the meaning of the word that is most like `word`; None if none is so by `least`, 0-1."""
    near = get_close_matches(word, meanings, 1, least)
    return meanings[near[0]] if near else None
