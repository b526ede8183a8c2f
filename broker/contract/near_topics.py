"""Topics that are nearly the contract's: a slash too many, another case, a level that is missing or misspelt. Pure."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from broker.contract.channels import CHANNELS, COMMAND_RESULT, DEVICE_STATUS, SENSOR_DATA, Channel, parse_topic
from broker.contract.limits import ROOT
from broker.contract.near_words import bare, nearest

_ROOT, _VERSION = ROOT.split("/")
_ALIASES: Final = {
    SENSOR_DATA: "esp32data sensordata sensor sensors sample samples data reading readings esp32",
    DEVICE_STATUS: "status state lwt will availability online",
    COMMAND_RESULT: "result commandresult cmdresult ack",
}
_ANY_VERSION: Final = re.compile(r"v?[0-9]+")
_NEAR: Final = 0.8
_LONGEST: Final = 200
"""Characters of a topic that are looked at: all of the contract are shorter."""

NEAR_FILTERS: Final = (
    f"+/{ROOT}/#",  # a slash before
    f"{ROOT}/+/+/+/#",  # a slash behind, or in the device's name
    f"{_ROOT}/+/+",  # a level is missing
    f"{_ROOT}//{_VERSION}/#",
    f"{_ROOT}/{_VERSION.upper()}/#",
    f"{_ROOT.capitalize()}/#",
    f"{_ROOT.upper()}/#",
    *(f"{ROOT}/+/{name}" for name in ("sensor_data", "esp32_data", "esp32SensorData", "esp32-sensor-data", "data")),
    *(f"{ROOT}/+/{name}" for name in ("ESP32_SENSOR_DATA", "ESP32_sensor_data", "Esp32_sensor_data")),
    *(f"{ROOT}/+/{name}" for name in ("status", "state", "lwt", "result")),
    SENSOR_DATA.name.value,
    f"+/{SENSOR_DATA.name.value}",
)
"""Filters for a broker that knows no other way to tell them; none matches a topic of the contract."""


class NearTopic(NamedTuple):
    """A topic that is nearly one of the contract's.

    `channel` and `device_id` are what the sender means, None as far as it cannot be told; `meant` is the topic to use.
    """

    channel: Channel | None
    device_id: str | None
    meant: str


def near_topic(topic: str) -> NearTopic | None:
    """Return what a topic most likely means, or None if it is one of the contract's or none of this product's."""
    return None if parse_topic(topic) is not None else _near(topic[:_LONGEST])


def near_filter(topic_filter: str) -> str | None:
    """Return the filter that is meant by one that matches no topic of the contract but is nearly one; else None."""
    segments = [segment for segment in topic_filter[:_LONGEST].split("/") if segment]
    if parse_topic(topic_filter) is not None or not segments or segments[-1] in ("+", "#") or not _rooted(segments):
        return None
    channel = nearest(bare(segments[-1]), {bare(channel.name.value): channel for channel in CHANNELS}, _NEAR)
    middle = _without_root(segments[:-1])
    return None if channel is None else channel.topic(middle[0] if len(middle) == 1 else "+")


@lru_cache(maxsize=1_024)
def _near(topic: str) -> NearTopic | None:
    segments = [segment for segment in topic.split("/") if segment]
    if not segments:
        return None
    rooted = _rooted(segments)
    channel = _channel(segments[-1], loosely=rooted)
    if not rooted and channel is None:
        return None
    middle: Sequence[str] = segments[: len(segments) - (channel is not None)]
    if rooted:
        middle = _without_root(middle)
        if channel is None:
            middle = middle[:1]
    found = parse_topic(f"{ROOT}/{middle[0]}/{SENSOR_DATA.name.value}") if len(middle) == 1 else None
    named = found is not None and found.valid and _channel(found.device_id, loosely=False) is None
    device_id = found.device_id if found is not None and named else None
    return NearTopic(channel, device_id, (channel or SENSOR_DATA).topic(device_id or "<device_id>"))


def _rooted(segments: Sequence[str]) -> bool:
    """Return True if a topic begins as ours do, or nearly so."""
    return nearest(segments[0].lower(), {_ROOT: True, "stresswire": True}, _NEAR) is not None


def _without_root(segments: Sequence[str]) -> Sequence[str]:
    """Return the levels behind the root and the version, if that is there."""
    rest = segments[1:]
    return rest[1:] if rest and _ANY_VERSION.fullmatch(rest[0].lower()) else rest


def _channel(segment: str, *, loosely: bool) -> Channel | None:
    """Return the device's channel that a segment means; below our root also if it is only like it."""
    word = bare(segment)
    for channel in CHANNELS:
        if channel.sender == "device" and bare(channel.name.value) == word:
            return channel
    if not loosely:
        return None
    words = {alias: channel for channel, aliases in _ALIASES.items() for alias in aliases.split()}
    words |= {bare(channel.name.value): channel for channel in CHANNELS if channel.sender == "device"}
    return nearest(word, words, _NEAR)
