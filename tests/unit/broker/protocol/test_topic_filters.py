"""Topic names and filters, as tables."""

import pytest

from broker.protocol.topic_filters import MAX_LEVELS, topic_matches, valid_filter


@pytest.mark.parametrize(
    ("topic_filter", "topic", "expected"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a", "A", False),
        ("a/+", "a/b", True),
        ("a/+", "a/", True),
        ("a/+", "a", False),
        ("a/+", "a/b/c", False),
        ("+/b", "a/b", True),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/+/c", "a/b/b/c", False),
        ("+", "a", True),
        ("+", "a/b", False),
        ("+", "/a", False),
        ("+/+", "/a", True),
        ("/+", "/a", True),
        ("#", "a", True),
        ("#", "a/b/c", True),
        ("a/#", "a/b", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("a/#", "ab", False),
        ("a/#", "b", False),
        ("a/b/#", "a", False),
        ("a/+/#", "a/b", True),
        ("a/+/#", "a/b/c/d", True),
        ("a/+/#", "a", False),
        ("+/#", "a", True),
        ("#", "$SYS/uptime", False),
        ("+/uptime", "$SYS/uptime", False),
        ("+/#", "$SYS/uptime", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("$SYS/+", "$SYS/uptime", True),
        ("a/#", "a/$b", True),
        ("a/+", "a/$b", True),
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("stress/v1/+/esp32_sensor_data", "stress/v1/ESP32_001/esp32_sensor_data", True),
        ("stress/v1/+/esp32_sensor_data", "stress/v1/ESP32_001/data_received", False),
        ("stress/v1/+/esp32_sensor_data", "stress/v1/a/b/esp32_sensor_data", False),
    ],
)
def test_topic_matches(topic_filter: str, topic: str, expected: bool) -> None:
    assert topic_matches(topic_filter, topic) is expected


@pytest.mark.parametrize(
    ("topic_filter", "valid"),
    [
        ("a/b", True),
        ("+", True),
        ("#", True),
        ("a/+/b/#", True),
        ("/", True),
        ("a/#/b", False),
        ("a#", False),
        ("a/b+", False),
        ("++", False),
        ("##", False),
        ("/".join("a" * MAX_LEVELS), True),
        ("/".join("a" * (MAX_LEVELS + 1)), False),
    ],
)
def test_valid_filter(topic_filter: str, valid: bool) -> None:
    assert valid_filter(topic_filter) is valid
