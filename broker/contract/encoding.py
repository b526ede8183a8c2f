"""JSON encoding of the contract's types."""

import msgspec

encode = msgspec.json.Encoder().encode
"""Encode any type of the contract as JSON bytes."""
