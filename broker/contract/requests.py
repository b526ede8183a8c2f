"""Requests of clients, from plain objects to their types: what is wrong is told by field, limit and values. Pure."""

from collections.abc import Iterable, Mapping
from functools import cache
from math import isfinite
from typing import Any, Final, TypeVar

import msgspec
from msgspec import Struct, inspect

from broker.contract.errors import RejectedError
from broker.contract.near_words import bare, nearest
from broker.contract.validation import as_whole, kind_of, short

T = TypeVar("T", bound=Struct)
_NEAR: Final = 0.7
"""Similarity, 0-1, from which on a known word may be meant."""


def read_request(data: object, kind: type[T], *, text: bool = False) -> T:
    """Return a client's request as its type.

    A field that is null counts as left out, and a whole number may have a point (``10.0``).

    Args:
        data: plain objects, as JSON decodes to them.
        kind: the type.
        text: every value is text, as in a query: numbers are read from it.

    Raises:
        RejectedError: a field is missing, unknown or outside its limits; the error names it.
    """
    if not isinstance(data, Mapping):
        raise RejectedError("wrong_type", f"the request must be a JSON object, got {kind_of(data)}")
    known = kind.__struct_fields__
    unknown = next((name for name in data if name not in known), None)
    if unknown is not None:
        raise RejectedError(
            "invalid",
            f"there is no {'parameter' if text else 'field'} {str(unknown)[:64]!r}{suggestion(str(unknown), known)}",
            str(unknown)[:64],
        )
    given = {name: as_whole(value) for name, value in data.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, float) and not isfinite(value):
            raise RejectedError("not_finite", f"{name} must be a finite number", name)
    try:
        return msgspec.convert(given, kind, strict=not text)
    except msgspec.ValidationError as error:
        raise _explained(error, kind, given) from error


def suggestion(word: str, known: Iterable[str], otherwise: str | None = None, prefix: str = "") -> str:
    """Return what to write instead of an unknown word, to be put behind the error.

    If no known word is near, that is `otherwise`, or all that are known; empty if there are none. All words are without
    their common `prefix`, which the suggestion has.
    """
    names = {bare(name): name for name in known}
    meant = nearest(bare(word), names, _NEAR)
    if meant is not None:
        return f"; did you mean {prefix}{meant}?"
    if otherwise is not None:
        return f"; {otherwise}"
    return f"; known are {', '.join(names.values())}" if names else ""


def _explained(error: msgspec.ValidationError, kind: type[Struct], given: Mapping[str, Any]) -> RejectedError:
    _, _, path = str(error).partition(" - at `$.")
    field = path.rstrip("`") or None
    rules = _rules(kind)
    if field is None:  # the whole object: a field is missing
        missing = next(name for name in kind.__struct_fields__ if rules[name].required and name not in given)
        return RejectedError("missing", f"{missing} is missing: it must be {rules[missing].text}", missing)
    return RejectedError("invalid", f"{field} must be {rules[field].text}, got {short(given[field])}", field)


class _Rule(Struct, frozen=True):
    required: bool
    text: str


@cache
def _rules(kind: type[Struct]) -> Mapping[str, _Rule]:
    described = inspect.type_info(kind)
    assert isinstance(described, inspect.StructType)  # noqa: S101 - a request is a struct
    return {field.name: _Rule(field.required, _text(field.type)) for field in described.fields}


def _text(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(extra={"rule": str(rule)}):
            return rule
        case inspect.Metadata(type=inner):
            return _text(inner)
        case inspect.UnionType(types=options):
            return " or ".join(
                dict.fromkeys(_text(option) for option in options if not isinstance(option, inspect.NoneType))
            )
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.StrType(min_length=low, max_length=high):
            return "text" if high is None else f"text of {low or 0}-{high} characters"
        case inspect.IntType(ge=low, le=high) | inspect.FloatType(ge=low, le=high):
            noun = "a whole number" if isinstance(kind, inspect.IntType) else "a number"
            return noun if low is None else f"{noun} from {low}" if high is None else f"{noun} from {low} to {high}"
        case inspect.BoolType():
            return "true or false"
        case _:
            raise TypeError(f"requests have no fields of the type {kind}")
