"""The two streams of each device: a live one, and one for late data (backfill); see `ingest.late_data`."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import msgspec

from ingest.late_data import Watermark
from models.features.state import FeatureState
from models.serving.alerts import AlertState

MAX_DEVICES: Final = 10_000
"""Devices whose state is kept in memory; beyond it the longest silent one is dropped, and recovered when it returns."""
_VERSION: Final = 1


class StreamState:
    """One stream: its features, its alert, the row of the alert that is raised, and its watermark."""

    __slots__ = ("alert", "alert_id", "features", "watermark")

    def __init__(self, features: FeatureState, alert: AlertState, alert_id: int | None) -> None:
        self.features = features
        self.alert = alert
        self.alert_id = alert_id
        self.watermark = Watermark(features.newest_s, features.heard_s)

    @classmethod
    def new(cls) -> "StreamState":
        """A stream without a sample."""
        return cls(FeatureState(), AlertState(), None)

    def copy(self) -> "StreamState":
        """An independent copy."""
        return StreamState(self.features.copy(), self.alert, self.alert_id)

    def forget_person(self) -> None:
        """Drop the features, and with them the personal baseline; the alert and the watermark stay."""
        self.features = FeatureState()

    def reset(self) -> None:
        """Reset the watermark: the next sample is taken at any time. The personal baseline and the alert stay."""
        self.features.rewind()
        self.alert = AlertState(smoothed=self.alert.smoothed, raised=self.alert.raised)
        self.watermark = Watermark(None)


class DeviceStreams:
    """A device's two streams. `saved_s` is when its snapshot was taken, in server time; `last_id` is the newest row that
    the streams have taken, 0 if there is none.
    """

    __slots__ = ("backfill", "last_id", "live", "saved_s")

    def __init__(
        self, live: StreamState, backfill: StreamState | None = None, saved_s: float | None = None, last_id: int = 0
    ) -> None:
        self.live = live
        self.backfill = backfill
        self.saved_s = saved_s
        self.last_id = last_id

    @classmethod
    def new(cls) -> "DeviceStreams":
        """A device without a sample."""
        return cls(StreamState.new())

    def copy(self) -> "DeviceStreams":
        """An independent copy, for a transaction that may fail."""
        backfill = None if self.backfill is None else self.backfill.copy()
        return DeviceStreams(self.live.copy(), backfill, self.saved_s, self.last_id)

    def forget_person(self) -> None:
        """Drop the personal baseline and the backfill stream; the next commit takes a snapshot."""
        self.live.forget_person()
        self.backfill = None
        self.saved_s = None

    def route(self, t_s: float, received_s: float, values: Sequence[float | None]) -> tuple[StreamState, float]:
        """Return the stream that takes a sample of time `t_s`, received at `received_s`, and the time to take it at.

        `values` are the sample's `hr`, `temp` and `eda`.
        """
        if self.live.watermark.ahead(received_s):
            self.live.reset()
        stream_s = self.live.watermark.advance(t_s, values)
        if stream_s is not None:
            return self.live, stream_s
        stream_s = None if self.backfill is None else self.backfill.watermark.advance(t_s, values)
        if self.backfill is None or stream_s is None:
            self.backfill = StreamState.new()
            stream_s = self.backfill.watermark.advance(t_s, values)
            assert stream_s is not None  # noqa: S101 - a new stream has no watermark
        return self.backfill, stream_s

    def baseline_json(self) -> str:
        """The personal baseline as JSON, for people to see."""
        return msgspec.json.encode(self.live.features.usual()).decode()

    def to_bytes(self) -> bytes:
        """Return a snapshot, for `from_bytes`."""
        streams = [self.live] if self.backfill is None else [self.live, self.backfill]
        stored = [(stream.features.to_bytes(), stream.alert, stream.alert_id) for stream in streams]
        return msgspec.msgpack.encode(_Snapshot(_VERSION, stored))

    @classmethod
    def from_bytes(cls, snapshot: bytes, saved_s: float) -> "DeviceStreams":
        """Read a snapshot. Raises ValueError if it is damaged or of another version."""
        try:
            decoded = msgspec.msgpack.decode(snapshot, type=_Snapshot)
        except msgspec.DecodeError as error:
            raise ValueError("the snapshot of a device cannot be read") from error
        if decoded.version != _VERSION or not decoded.streams:
            raise ValueError(f"the snapshot of a device is of version {decoded.version}, not {_VERSION}")
        streams = [
            StreamState(FeatureState.from_bytes(features), alert, alert_id) for features, alert, alert_id in decoded.streams
        ]
        return cls(streams[0], streams[1] if len(streams) > 1 else None, saved_s)


class DeviceCache:
    """The streams of devices in memory, the longest silent first."""

    def __init__(self) -> None:
        self._devices: OrderedDict[str, DeviceStreams] = OrderedDict()

    def get(self, device_id: str) -> DeviceStreams | None:
        """The device's committed streams; copy them before they are moved."""
        return self._devices.get(device_id)

    def commit(self, staged: dict[str, DeviceStreams]) -> None:
        """Take over the states of a transaction that was committed."""
        for device_id, device in staged.items():
            self._devices[device_id] = device
            self._devices.move_to_end(device_id)
        while len(self._devices) > MAX_DEVICES:
            self._devices.popitem(last=False)


class _Snapshot(msgspec.Struct, array_like=True):
    version: int
    streams: list[tuple[bytes, AlertState, int | None]]
