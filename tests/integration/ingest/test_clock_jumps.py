"""Clocks that jump, the device's or the server's: everything is stored with a time, and afterwards all is as before."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.pipeline import NOW, Pipeline, sample

BEFORE_S, DURING_S, AFTER_S = 120, 90, 120
HOUR = timedelta(hours=1)


def play(pipeline: Pipeline, device_jump: timedelta | datetime, server_jump: timedelta, *, published: bool = True) -> None:
    """A calm person, a sample a second; in the middle the clocks are elsewhere. `published`: the device sends its time."""
    for second in range(BEFORE_S + DURING_S + AFTER_S):
        true = NOW + timedelta(seconds=second)
        jumped = BEFORE_S <= second < BEFORE_S + DURING_S
        clock = true
        if jumped and isinstance(device_jump, timedelta):
            clock = true + device_jump
        elif jumped and isinstance(device_jump, datetime):
            clock = device_jump + timedelta(seconds=second)
        server = true + server_jump if jumped else true
        one = pipeline.send(sample(second, at=clock if published else None), at=server)
        assert one.answer["status"] == "success"
        assert len(one.readings) == 1
        assert 0 <= one.readings[0]["stress_probability"] <= 1
        assert one.alerts == []


def live_again(pipeline: Pipeline) -> bool:
    """Whether the last readings are the live lane's, and know the person."""
    device = pipeline.devices.get("d")
    assert device is not None
    newest = (NOW + timedelta(seconds=BEFORE_S + DURING_S + AFTER_S - 1)).timestamp()
    (quality,) = pipeline.rows("SELECT quality FROM history_stress ORDER BY id DESC LIMIT 1")[0]
    return device.live.watermark.stream_s == pytest.approx(newest, abs=1) and "warming_up" not in quality


@pytest.mark.parametrize(
    "jump",
    [
        pytest.param(datetime(1970, 1, 1, tzinfo=UTC), id="1970"),
        pytest.param(datetime(2106, 2, 7, 6, 28, tzinfo=UTC), id="2106"),
        pytest.param(HOUR, id="an hour ahead, as when summer time begins"),
        pytest.param(-HOUR, id="an hour behind, as when it ends"),
        pytest.param(timedelta(seconds=50), id="50 s ahead"),
        pytest.param(timedelta(seconds=-50), id="50 s behind"),
        pytest.param(-timedelta(days=400), id="a year behind"),
    ],
)
def test_the_device_s_clock_jumps(pipeline: Pipeline, jump: timedelta | datetime) -> None:
    play(pipeline, jump, timedelta(0))
    assert live_again(pipeline)
    assert pipeline.count("history_stress") == BEFORE_S + DURING_S + AFTER_S
    assert pipeline.count("rejected") == 0


@pytest.mark.parametrize("published", [True, False], ids=["the device tells its time", "it does not"])
@pytest.mark.parametrize("jump", [HOUR, -HOUR, timedelta(days=40_000), -timedelta(days=20_000)], ids=str)
def test_the_server_s_clock_jumps(pipeline: Pipeline, jump: timedelta, published: bool) -> None:
    play(pipeline, timedelta(0), jump, published=published)
    assert live_again(pipeline)
    assert pipeline.count("history_stress") == BEFORE_S + DURING_S + AFTER_S
