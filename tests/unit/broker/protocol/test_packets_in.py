"""The packets of clients: what is valid is read, and nothing but `MalformedError` comes of what is not."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import packets_in, packets_out
from broker.protocol.packet_framer import MalformedError, TooLargeError
from broker.protocol.packets_in import MAX_FILTERS, Connect, Publish, UnsupportedVersionError, Will
from tests.support.mqtt import wire
from tests.support.mqtt.packets import STREAM, frames, read

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
TOPIC = TEXT.filter(lambda text: bool(text) and not set(text) & set("+#"))


@given(TOPIC, st.binary(max_size=300), st.integers(0, 2), st.booleans(), st.integers(1, 0xFFFF), st.booleans())
def test_a_publish_is_read_as_it_was_written(
    topic: str, payload: bytes, qos: int, retain: bool, packet_id: int, dup: bool
) -> None:
    packet_id, dup = (packet_id, dup) if qos else (0, False)
    sent = packets_out.publish(topic.encode(), payload, qos=qos, retain=retain, dup=dup, packet_id=packet_id)
    assert sent == wire.publish(topic, payload, qos=qos, packet_id=packet_id, retain=retain, dup=dup)
    [frame] = frames(sent)
    assert packets_in.read_publish(frame) == Publish(topic, payload, qos, retain, dup, packet_id)


@given(
    TEXT, st.booleans(), st.integers(0, 0xFFFF), st.none() | TOPIC, st.integers(0, 2), st.none() | TEXT, st.none() | TEXT
)
def test_a_connect_is_read_as_it_was_written(
    client_id: str, clean: bool, keep_alive: int, topic: str | None, qos: int, username: str | None, password: str | None
) -> None:
    will = None if topic is None else (topic, b"\0gone")
    qos, password = (0 if will is None else qos), (None if username is None else password)
    sent = wire.connect(
        client_id, clean=clean, keep_alive=keep_alive, will=will, will_qos=qos, username=username, password=password
    )
    read_will = None if will is None else Will(*will, qos, False)
    secret = None if password is None else password.encode()
    assert read(frames(sent)[0]) == Connect(client_id, clean, keep_alive, read_will, username, secret)


@given(st.binary(max_size=400))
def test_whatever_comes_is_read_or_malformed(data: bytes) -> None:
    try:
        for frame in frames(data):
            read(frame)
    except (MalformedError, UnsupportedVersionError) as error:
        assert str(error)  # noqa: PT017 - not raising is as good


@given(st.data())
def test_a_valid_stream_with_a_changed_byte_is_read_or_malformed(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(STREAM) - 1))
    changed = bytearray(STREAM)
    changed[at] = data.draw(st.integers(0, 255))
    test_whatever_comes_is_read_or_malformed.hypothesis.inner_test(bytes(changed))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"\x00\x00", "reserved packet type"),
        (b"\xf0\x00", "reserved packet type"),
        (b"\x20\x02\x00\x00", "a CONNACK from a client"),
        (b"\x36\x00", "QoS 3"),
        (b"\x38\x00", "DUP at QoS 0"),
        (b"\x60\x02\x00\x01", "PUBREL with reserved flags"),
        (b"\x30\x80\x80\x80\x80\x01", "four bytes"),
        (b"\x40\x02\x00\x00", "packet identifier 0"),
        (b"\x40\x03\x00\x01x", "bytes after its end"),
        (b"\x40\x01\x00", "ends too early"),
        (b"\xc0\x01x", "bytes after its end"),
        (b"\x82\x02\x00\x01", "without a topic filter"),
        (b"\xa2\x02\x00\x01", "without a topic filter"),
        (b"\x82\x05\x00\x01\x00\x00\x00", "empty topic filter"),
        (b"\x82\x06\x00\x01\x00\x01a\x03", "QoS 3 or reserved bits"),
        (wire.publish(""), "empty topic name"),
        (wire.publish("a/+"), "wildcard"),
        (wire.publish("a\0"), r"U\+0000"),
        (wire.packet(0x30, wire.string(b"\xff")), "not UTF-8"),
        (wire.connect(name="HTTP"), "another protocol"),
        (wire.connect(flags=0x03), "reserved flag"),
        (wire.connect(flags=0x1E, will=("w", b"")), "will with QoS 3"),
        (wire.connect(flags=0x22), "no will"),
        (wire.connect(flags=0x42, password="p"), "password but no user name"),
        (wire.connect(will=("w/#", b"")), "wildcard"),
        (wire.connect() + b"", None),
    ],
)
def test_what_is_malformed_says_so(sent: bytes, says: str | None) -> None:
    if says is None:
        read(frames(sent)[0])
        return
    with pytest.raises(MalformedError, match=says):
        [read(frame) for frame in frames(sent)]


@pytest.mark.parametrize(("name", "level"), [("MQTT", 5), ("MQTT", 3), ("MQIsdp", 3), ("MQTT", 132)])
def test_another_version_is_told_apart(name: str, level: int) -> None:
    with pytest.raises(UnsupportedVersionError, match=str(level)):
        read(frames(wire.connect(name=name, level=level))[0])


@pytest.mark.parametrize("kind", [wire.subscribe, wire.unsubscribe])
def test_the_filters_of_one_packet_are_bounded(kind: Callable[..., bytes]) -> None:
    one = ("a", 0) if kind is wire.subscribe else "a"
    read(frames(kind(*[one] * MAX_FILTERS), limit=100_000)[0])
    with pytest.raises(TooLargeError, match=f"more than {MAX_FILTERS} topic filters"):
        read(frames(kind(*[one] * (MAX_FILTERS + 1)), limit=100_000)[0])
