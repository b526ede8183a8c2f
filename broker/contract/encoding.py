"""JSON of the contract's types, and what is said of JSON that is none of them."""

import msgspec

from broker.contract.device_messages import ErrorDetail

encode = msgspec.json.Encoder().encode
"""Encodes any type above as JSON bytes."""


def field_of(error: msgspec.ValidationError) -> str | None:
    """The field that msgspec's message names, if it does."""
    _, found, path = str(error).rpartition("`$.")
    return path.rstrip("`") if found else None


def invalid_request(error: msgspec.ValidationError) -> ErrorDetail:
    """The error of a request that does not have the type which it should have."""
    return ErrorDetail("invalid", f"cannot read the request: {error}", field_of(error))
