"""Two streams for each device."""

import pytest

from ingest import device_streams
from ingest.device_streams import MAX_DEVICES, DeviceCache, DeviceStreams, StreamState
from ingest.late_data import APART_S, NUDGE_S, SAME_S
from models.serving.alerts import AlertState

T0 = 1.7e9
RECEIVED_S = T0 + 5_000
ALL = (70.0, 33.5, 0.5)


def step(device: DeviceStreams, t_s: float, hr: float = 70.0) -> StreamState:
    stream, stream_s = device.route(t_s, RECEIVED_S, ALL)
    stream.features.step(stream_s, hr, 33.5, 0.5)
    return stream


def test_what_is_newer_stays_live() -> None:
    device = DeviceStreams.new()
    for t_s in (T0, T0 + 1, T0 + 1.5, T0 + 1000):
        stream, stream_s = device.route(t_s, RECEIVED_S, ALL)
        assert stream is device.live
        assert stream_s == t_s
    assert device.backfill is None


def test_samples_of_the_same_second_stay_live_in_the_order_of_arrival() -> None:
    device = DeviceStreams.new()
    routed = [device.route(T0, RECEIVED_S, ALL) for _ in range(5)]
    assert all(stream is device.live for stream, _ in routed)
    times = [stream_s for _, stream_s in routed]
    assert times == sorted(set(times))
    assert times[-1] - T0 == pytest.approx(4 * NUDGE_S, abs=1e-6)
    stream, stream_s = device.route(T0 + 1, RECEIVED_S, ALL)
    assert (stream, stream_s) == (device.live, T0 + 1)


@pytest.mark.parametrize(("behind_s", "live"), [(0, True), (SAME_S / 2, True), (2 * SAME_S, False), (1, False)])
def test_how_much_older_is_older(behind_s: float, live: bool) -> None:
    device = DeviceStreams.new()
    device.route(T0, RECEIVED_S, ALL)
    stream, _ = device.route(T0 - behind_s, RECEIVED_S, ALL)
    assert (stream is device.live) is live


Values = tuple[float | None, float | None, float | None]
HR: Values = (70.0, None, None)
TEMP: Values = (None, 33.5, None)
EDA: Values = (None, None, 0.5)


@pytest.mark.parametrize(
    ("values", "behind_s", "live"),
    [
        pytest.param(HR, 9.0, True, id="heart rate after EDA"),
        pytest.param(HR, APART_S, True, id="as late as it may be"),
        pytest.param(HR, APART_S + 1, False, id="later than that"),
        pytest.param(HR, 19.0, True, id="newer than the newest heart rate"),
        pytest.param(HR, 20.0, True, id="of the same time as the newest heart rate"),
        pytest.param(HR, 20.5, False, id="older than the newest heart rate"),
        pytest.param(TEMP, 9.0, True, id="a channel that was never heard"),
        pytest.param((70.0, 33.5, None), 9.0, True, id="two channels that are both newer"),
        pytest.param(EDA, 9.0, False, id="EDA older than the newest EDA"),
        pytest.param((70.0, None, 0.5), 9.0, False, id="one of its channels is older"),
        pytest.param(ALL, 9.0, False, id="all channels at once, as late data"),
        pytest.param((None, None, None), 9.0, False, id="nothing at all"),
    ],
)
@pytest.mark.parametrize("kept", [False, True], ids=["in one batch", "after a snapshot"])
def test_channels_may_arrive_one_after_another(values: Values, behind_s: float, live: bool, kept: bool) -> None:
    """Heart rate at T0 - 20 or T0 - 40, then EDA up to T0: what is late is a question of the channel."""
    device = DeviceStreams.new()
    hr_s = T0 - 20 if behind_s < APART_S else T0 - 40
    for t_s, one in ((hr_s, HR), (T0 - 1, EDA), (T0, EDA)):
        stream, stream_s = device.route(t_s, RECEIVED_S, one)
        stream.features.step(stream_s, *one, measured_s=t_s)
    if kept:
        device = DeviceStreams.from_bytes(device.to_bytes(), 0.0)
    stream, stream_s = device.route(T0 - behind_s, RECEIVED_S, values)
    assert (stream is device.live) is live
    assert stream_s == (pytest.approx(T0 + NUDGE_S, abs=1e-7) if live else T0 - behind_s)
    assert device.live.watermark.timestamp_s == T0


def test_the_backfill_takes_channels_one_after_another_too() -> None:
    device = DeviceStreams.new()
    step(device, T0)
    for start_s in (T0 - 1000, T0 - 990):
        for values in (EDA, HR, TEMP):
            streams = {id(device.route(start_s + at, RECEIVED_S, values)[0]) for at in range(10)}
            assert streams == {id(device.backfill)}


def test_an_older_one_goes_to_the_backfill_and_leaves_the_live_lane_alone() -> None:
    device = DeviceStreams.new()
    step(device, T0)
    live = device.live.features.to_bytes()
    first = step(device, T0 - 100)
    assert first is device.backfill
    assert step(device, T0 - 99) is first
    assert step(device, T0 - 99) is first
    assert device.live.features.to_bytes() == live
    assert device.live.watermark.stream_s == T0
    assert step(device, T0 + 1) is device.live


def test_one_older_than_the_backfill_begins_a_new_one() -> None:
    device = DeviceStreams.new()
    step(device, T0)
    first = step(device, T0 - 100)
    first.alert_id = 7
    second = step(device, T0 - 200)
    assert second is device.backfill
    assert second is not first
    assert (second.alert, second.alert_id, second.watermark.stream_s) == (AlertState(), None, T0 - 200)
    assert second.features.age_s == 0.0
    assert step(device, T0 - 150) is second


def test_a_copy_does_not_move_the_original() -> None:
    device = DeviceStreams.new()
    step(device, T0)
    step(device, T0 - 100)
    device.saved_s = 5.0
    before = device.to_bytes()
    twin = device.copy()
    assert twin.to_bytes() == before
    step(twin, T0 + 1)
    step(twin, T0 - 99)
    assert twin.backfill is not None
    twin.live.alert, twin.live.alert_id, twin.saved_s = AlertState(raised=True), 3, 9.0
    twin.backfill.alert_id = 4
    step(twin, T0 - 500)
    assert device.to_bytes() == before
    assert device.saved_s == 5.0
    assert device.live.watermark.stream_s == T0
    assert device.backfill is not None
    assert device.backfill.watermark.stream_s == T0 - 100


def test_where_the_server_s_clock_was_ahead_the_live_lane_begins_again_and_keeps_what_it_knows() -> None:
    device = DeviceStreams.new()
    for t in range(100):
        step(device, T0 + t, 60.0 + t % 17)
    device.live.alert = AlertState(0.7, True, T0 + 99, T0 + 9, T0 + 50)
    device.live.alert_id = 42
    known = device.live.features.usual()
    # A minute is what a device may be ahead of the server.
    stream, _ = device.route(T0 + 50, T0 + 40, ALL)
    assert stream is device.backfill
    assert device.live.watermark.stream_s == T0 + 99
    stream, stream_s = device.route(T0 - 3_600, T0 - 3_600, ALL)
    assert (stream, stream_s) == (device.live, T0 - 3_600)
    assert device.live.features.usual() == known
    assert (device.live.alert, device.live.alert_id) == (AlertState(0.7, True), 42)
    stream.features.step(stream_s, 70, 33, 0.5)
    assert stream.features.age_s == 0
    assert step(device, T0 - 3_599) is device.live


def test_samples_that_share_a_second_do_not_make_the_server_s_clock_wrong() -> None:
    device = DeviceStreams.new()
    for _ in range(500):
        device.route(T0 + 60, T0, ALL)
    stream, _ = device.route(T0 + 60, T0, ALL)
    assert stream is device.live
    assert device.live.watermark.timestamp_s == T0 + 60
    assert device.live.watermark.stream_s is not None
    assert device.live.watermark.stream_s > T0 + 60


@pytest.mark.parametrize("backfilled", [False, True])
def test_a_snapshot_goes_on_as_the_original(backfilled: bool) -> None:
    device = DeviceStreams.new()
    for t in range(100):
        step(device, T0 + t, 60.0 + t % 17)
    device.live.alert = AlertState(0.7, True, T0 + 99, T0 + 9, T0 + 50)
    device.live.alert_id = 42
    if backfilled:
        step(device, T0 - 100).alert_id = 43
    twin = DeviceStreams.from_bytes(device.to_bytes(), 123.5)
    assert twin.saved_s == 123.5
    assert (twin.live.alert, twin.live.alert_id, twin.live.watermark.stream_s) == (device.live.alert, 42, T0 + 99)
    assert (twin.backfill is not None) is backfilled
    for t_s in (T0 + 99, T0 + 100, T0 - 90, T0 - 300):
        stream, stream_s = device.route(t_s, RECEIVED_S, ALL)
        twin_stream, twin_stream_s = twin.route(t_s, RECEIVED_S, ALL)
        assert stream_s == twin_stream_s
        assert repr(stream.features.step(stream_s, 80, 33, 1)) == repr(twin_stream.features.step(stream_s, 80, 33, 1))
        assert stream.alert_id == twin_stream.alert_id
    assert twin.to_bytes() == device.to_bytes()


@pytest.mark.parametrize(
    "damage", [b"", b"garbage", b"\x92\x01\x90", b"\x92\x63\x90", b"\x92\x01\x91\x93\xc4\x01x\x90\xc0"]
)
def test_a_snapshot_that_cannot_be_read_is_a_value_error(damage: bytes) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        DeviceStreams.from_bytes(damage, 0.0)


def test_devices_keeps_what_was_committed() -> None:
    devices = DeviceCache()
    assert devices.get("a") is None
    one, two = DeviceStreams.new(), DeviceStreams.new()
    devices.commit({"a": one})
    assert devices.get("a") is one
    devices.commit({"a": two, "b": one})
    assert devices.get("a") is two
    assert devices.get("b") is one


def test_devices_forgets_the_longest_silent() -> None:
    devices = DeviceCache()
    device = DeviceStreams.new()
    devices.commit({f"d{number}": device for number in range(MAX_DEVICES)})
    devices.commit({"d0": device})
    devices.commit({"new": device, "newer": device})
    assert [name for name in ("d0", "d1", "d2", "d3", "new", "newer") if devices.get(name)] == ["d0", "d3", "new", "newer"]
    assert len(devices._devices) == MAX_DEVICES
    assert device_streams.MAX_DEVICES == 10_000
