"""JSON of the contract's types."""

import msgspec

encode = msgspec.json.Encoder().encode
"""Encodes any type above as JSON bytes."""


def field_of(error: msgspec.ValidationError) -> str | None:
    """The field that msgspec's message names, if it does."""
    _, found, path = str(error).rpartition("`$.")
    return path.rstrip("`") if found else None
