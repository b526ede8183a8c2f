"""Reading what clients send, as a connection does."""

from broker.protocol import packets_in
from broker.protocol.packet_framer import Frame, PacketFramer
from broker.protocol.packet_types import Type
from tests.support.mqtt import wire

LIMIT = 1_000
STREAM = b"".join(
    (
        wire.connect("a", will=("w", b"x"), username="u", password="p"),
        wire.publish("a/b", b"y" * 300, qos=1, packet_id=7),
        wire.acknowledge(wire.PUBREL, 9),
        wire.subscribe(("a/+", 1), ("#", 2)),
        wire.unsubscribe("a/+"),
        wire.PINGREQ,
        wire.DISCONNECT,
    )
)

"""One packet of each type that a client sends to begin with."""


def frames(*chunks: bytes, limit: int = LIMIT) -> list[Frame]:
    framer = PacketFramer(limit)
    found = []
    for chunk in chunks:
        framer.feed(chunk)
        while (frame := framer.take()) is not None:
            found.append(frame)
    return found


def read(frame: Frame) -> object:
    """Read a frame as a connection does."""
    if frame.type is Type.CONNECT:
        return packets_in.read_connect(frame)
    if frame.type is Type.PUBLISH:
        return packets_in.read_publish(frame)
    if frame.type in (Type.PUBACK, Type.PUBREC, Type.PUBREL, Type.PUBCOMP):
        return packets_in.read_packet_id(frame)
    packets_in.check_control(frame)
    return None
