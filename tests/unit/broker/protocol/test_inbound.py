"""What a client is owed: its acknowledgements, in order and once committed."""

import asyncio

from broker.protocol.inbound import Inbox, PendingAck, Received
from broker.protocol.packet_types import Type
from broker.protocol.packets_in import read_packet_id
from tests.support.mqtt import wire
from tests.support.mqtt.packets import frames


def answers(data: bytes) -> list[tuple[Type, int]]:
    return [(frame.type, read_packet_id(frame)) for frame in frames(data)]


class Case:
    """An inbox, how often it said that answers are due, and its session's QoS 2 messages."""

    def __init__(self, received: Received | None = None) -> None:
        self.told = 0
        self.received: Received = {} if received is None else received
        self.inbox = Inbox(self._due)
        self.inbox.attach(self.received)

    def expect(self, qos: int, packet_id: int, *, awaits: int) -> PendingAck:
        answer = PendingAck(self.inbox, qos, packet_id)
        self.inbox.expect(answer, awaits)
        return answer

    def _due(self) -> None:
        self.told += 1


def test_answers_go_out_in_the_order_of_the_messages() -> None:
    async def main() -> None:
        case = Case()
        first, second, third = (case.expect(qos, number, awaits=1) for number, qos in ((1, 1), (2, 2), (3, 1)))
        assert case.told == 0
        await third.committed()
        await second.committed()
        assert (case.told, case.inbox.take()) == (0, b"")
        await first.committed()
        assert case.told == 1
        assert answers(case.inbox.take()) == [(Type.PUBACK, 1), (Type.PUBREC, 2), (Type.PUBACK, 3)]
        assert len(case.inbox) == 0

    asyncio.run(main())


def test_every_durable_subscriber_must_have_committed() -> None:
    async def main() -> None:
        case = Case()
        answer = case.expect(1, 5, awaits=2)
        await answer.committed()
        assert case.inbox.take() == b""
        await answer.committed()
        assert answers(case.inbox.take()) == [(Type.PUBACK, 5)]

    asyncio.run(main())


def test_a_qos_2_message_is_taken_once_until_it_is_released() -> None:
    case = Case()
    assert not case.inbox.repeated(7)
    case.expect(2, 7, awaits=0)
    assert case.inbox.repeated(7)
    assert answers(case.inbox.take()) == [(Type.PUBREC, 7), (Type.PUBREC, 7)]
    assert case.inbox.release(7) == wire.acknowledge(wire.PUBCOMP, 7)
    assert not case.inbox.repeated(7)
    assert case.inbox.release(7) == wire.acknowledge(wire.PUBCOMP, 7)


def test_a_qos_2_message_that_waits_is_answered_once_and_on_the_newest_connection() -> None:
    async def main() -> None:
        old = Case()
        answer = old.expect(2, 7, awaits=1)
        assert old.inbox.repeated(7)
        new = Case(old.received)
        assert new.inbox.repeated(7)
        assert new.inbox.repeated(7)
        await answer.committed()
        assert (old.told, new.told) == (0, 1)
        assert answers(new.inbox.take()) == [(Type.PUBREC, 7)]

    asyncio.run(main())
