"""The packets of a server, byte for byte."""

import pytest

from broker.protocol import packets_out
from broker.protocol.packet_types import ReturnCode, Type


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (packets_out.connect("a", clean=True), b"\x10\x0d\0\x04MQTT\x04\x02\0\0\0\x01a"),
        (packets_out.connect("", clean=False), b"\x10\x0c\0\x04MQTT\x04\0\0\0\0\0"),
        (packets_out.connack(ReturnCode.NOT_AUTHORIZED), b"\x20\x02\0\x05"),
        (packets_out.acknowledgement(Type.PUBACK, 0x1234), b"\x40\x02\x12\x34"),
        (packets_out.acknowledgement(Type.PUBREC, 1), b"\x50\x02\0\x01"),
        (packets_out.acknowledgement(Type.PUBREL, 1), b"\x62\x02\0\x01"),
        (packets_out.acknowledgement(Type.PUBCOMP, 1), b"\x70\x02\0\x01"),
        (packets_out.publish(b"t", b"x", qos=0, retain=False), b"\x30\x04\0\x01tx"),
        (packets_out.publish(b"t", b"x", qos=1, retain=True, packet_id=2), b"\x33\x06\0\x01t\0\x02x"),
        (packets_out.publish(b"t", b"", qos=2, retain=False, dup=True, packet_id=2), b"\x3c\x05\0\x01t\0\x02"),
    ],
)
def test_packets_are_written_as_the_standard_says(packet: bytes, expected: bytes) -> None:
    assert packet == expected


@pytest.mark.parametrize(
    ("length", "written"),
    [
        (127, b"\x7f"),
        (128, b"\x80\x01"),
        (16_383, b"\xff\x7f"),
        (16_384, b"\x80\x80\x01"),
        (2_097_152, b"\x80\x80\x80\x01"),
    ],
)
def test_the_remaining_length_takes_as_many_bytes_as_it_needs(length: int, written: bytes) -> None:
    packet = packets_out.publish(b"", b"x" * (length - 2), qos=0, retain=False)
    assert packet[1 : 1 + len(written)] == written
    assert len(packet) == 1 + len(written) + length
