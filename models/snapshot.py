"""A feature state as bytes: MessagePack of plain values, the version first."""

from typing import Final

import msgspec

VERSION: Final = 1


class Snapshot(msgspec.Struct, array_like=True):
    """What a `FeatureState` is made of; times in seconds, `series` and `baselines` as their `dump` gives them."""

    version: int
    start_s: float
    newest_s: float | None
    second: int
    channels: list[tuple[float | None, list[float]]]
    series: list[tuple[int, int, int, bytes]]
    baselines: list[tuple[float, float, float]]
    closed: list[tuple[int, float]]
    open_eda: tuple[float, int]


class _Header(msgspec.Struct, array_like=True):
    version: int


encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Snapshot).decode
_decode_header: Final = msgspec.msgpack.Decoder(_Header).decode


def decode(data: bytes) -> Snapshot:
    """The snapshot of these bytes. Raises ValueError for one of another version or a damaged one."""
    try:
        version = _decode_header(data).version
        if version != VERSION:
            raise ValueError(f"a feature snapshot of version {version}, this program reads version {VERSION}")
        return _decode(data)
    except msgspec.DecodeError as error:
        raise ValueError(f"not a feature snapshot: {error}") from error
