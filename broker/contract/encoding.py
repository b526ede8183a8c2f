"""JSON encoding of the contract's types, and the error detail of requests that are not valid."""

import msgspec

from broker.contract.device_messages import ErrorDetail

encode = msgspec.json.Encoder().encode
"""Encode any type of the contract as JSON bytes."""


def field_of(error: msgspec.ValidationError) -> str | None:
    """Return the name of the invalid field from msgspec's message, or None."""
    _, separator, path = str(error).rpartition("`$.")
    return path.rstrip("`") if separator else None


def invalid_request(error: msgspec.ValidationError) -> ErrorDetail:
    """Return the error detail for a request that does not match its type."""
    return ErrorDetail("invalid", f"cannot read the request: {error}", field_of(error))
