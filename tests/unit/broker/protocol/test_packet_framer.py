"""From a stream of bytes to packets, whatever the chunks; and nothing is kept that was taken."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol import packets_in, packets_out
from broker.protocol.packet_framer import MalformedError, PacketFramer, TooLargeError
from broker.protocol.packet_types import Type
from tests.support.mqtt import wire
from tests.support.mqtt.packets import LIMIT, STREAM, frames, read


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_chunks_make_no_difference(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    found = frames(*(STREAM[start:end] for start, end in pairwise(edges)))
    assert [frame.type for frame in found] == [1, 3, 6, 8, 10, 12, 14]
    assert b"".join(frame.raw for frame in found) == STREAM
    for frame in found:
        read(frame)


def test_nothing_is_kept_of_what_was_taken() -> None:
    framer = PacketFramer(LIMIT)
    framer.feed(STREAM * 50 + STREAM[:1])
    while framer.take() is not None:
        pass
    assert (len(framer), framer._data) == (1, STREAM[:1])
    framer.feed(STREAM[1:])
    while framer.take() is not None:
        pass
    assert (len(framer), framer._data, framer._later) == (0, b"", bytearray())


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384, 200_000])
def test_remaining_lengths(length: int) -> None:
    sent = packets_out.publish(b"t", b"x" * length, qos=0, retain=False)
    assert sent == wire.publish("t", b"x" * length)
    assert packets_in.read_publish(frames(sent, limit=300_000)[0]).payload == b"x" * length


def test_a_packet_over_the_limit_is_refused_by_its_header_alone() -> None:
    assert frames(wire.publish("t", b"x" * (LIMIT - 3)))
    header = wire.publish("t", b"x" * (LIMIT - 2))[:3]
    with pytest.raises(TooLargeError, match="a PUBLISH of more than 1000 bytes"):
        frames(header)


def test_another_packet_than_the_expected_one_is_refused_by_its_first_byte() -> None:
    framer = PacketFramer(LIMIT)
    framer.expected = Type.CONNECT
    framer.feed(wire.connect())
    assert framer.take() is not None
    framer.feed(wire.PINGREQ[:1])
    with pytest.raises(MalformedError, match="a PINGREQ before CONNECT"):
        framer.take()
