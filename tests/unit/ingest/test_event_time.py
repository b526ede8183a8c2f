"""When samples were taken."""

from datetime import UTC, datetime, timedelta

import pytest

from broker.contract import ErrorDetail
from broker.contract.samples import RejectedSample, Sample
from ingest.event_time import EventTime, event_times
from tests.support.pipeline import NOW

OWN = datetime(2024, 12, 1, tzinfo=UTC)
REFUSAL = RejectedSample(error=ErrorDetail("empty", "empty"), raw=b"")


WRAP = 2**32


def element(uptime_ms: int | None = None, timestamp: datetime | None = None) -> Sample:
    return Sample(device_id="d", hr=70, temp=None, eda=None, timestamp=timestamp, uptime_ms=uptime_ms, key=None)


def ago(milliseconds: float) -> EventTime:
    return EventTime(NOW - timedelta(milliseconds=milliseconds), synced=False)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([element(timestamp=OWN)], [EventTime(OWN, synced=True)], id="its own time"),
        pytest.param(
            [element(5, OWN), element(9, OWN)], [EventTime(OWN, synced=True)] * 2, id="its own goes before uptime"
        ),
        pytest.param([element()], [ago(0)], id="no time at all"),
        pytest.param([element(123_456)], [ago(0)], id="one uptime is no help"),
        pytest.param([element(1000), element(2500), element(3000)], [ago(2000), ago(500), ago(0)], id="counted back"),
        pytest.param([element(3000), element(1000)], [ago(0), ago(0)], id="an uptime after the last one's"),
        pytest.param([element(1000), element(), element(3000)], [ago(2000), ago(0), ago(0)], id="one without"),
        pytest.param([element(1000), element(3000), element()], [ago(2000), ago(0), ago(0)], id="the last without"),
        pytest.param([element(1000), element(4000), REFUSAL], [ago(3000), ago(0), None], id="the last refused"),
        pytest.param([REFUSAL], [None], id="refused"),
        pytest.param(
            [element(1000), element(3000, OWN)], [ago(2000), EventTime(OWN, synced=True)], id="a mixture still counts back"
        ),
        pytest.param([element(WRAP - 700), element(WRAP - 1), element(299)], [ago(999), ago(300), ago(0)], id="the wrap"),
        pytest.param([element(299), element(WRAP // 4)], [ago(WRAP // 4 - 299), ago(0)], id="twelve days and no wrap"),
        pytest.param([element(2 * WRAP), element(5)], [ago(0), ago(0)], id="a counter that does not wrap"),
        pytest.param([element(0), element(2**63 - 1)], [ago(30 * 24 * 3600 * 1000), ago(0)], id="an absurd uptime"),
    ],
)
def test_taken(elements: list[Sample | RejectedSample], expected: list[EventTime | None]) -> None:
    assert event_times(elements, NOW) == expected
