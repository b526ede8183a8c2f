"""What a client is still owed: the outbox with its windows and bounds, and the inbox with its answers in order."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.inbound import Inbox, PendingAck, Received
from broker.protocol.outbound import WINDOW, Limits, Outbox, Outgoing
from broker.protocol.packet_framer import MalformedError, PacketFramer
from broker.protocol.packet_types import Type
from broker.protocol.packets_in import Publish, read_packet_id, read_publish
from tests.support.mqtt import wire

PLENTY = 1_000_000


def outbox(messages: int = 1_000, size: int = PLENTY) -> Outbox:
    return Outbox(Limits(messages=messages, bytes=size))


def numbered(number: int) -> Outgoing:
    return Outgoing("t", str(number).encode())


def published(data: bytes) -> list[Publish]:
    """The publishes among the packets; a PUBREL is passed over."""
    framer = PacketFramer(PLENTY)
    framer.feed(data)
    found = []
    while (frame := framer.take()) is not None:
        if frame.type is Type.PUBLISH:
            found.append(read_publish(frame))
    return found


def payloads(data: bytes) -> list[int]:
    return [int(one.payload) for one in published(data)]


# --- outbox


def test_the_order_of_coming_is_kept_across_qos() -> None:
    box = outbox()
    for number in range(9):
        assert box.put(numbered(number), number % 3)
    assert payloads(box.take(PLENTY)) == list(range(9))


def test_the_window_holds_back_what_needs_an_acknowledgement_and_nothing_else() -> None:
    box = outbox()
    for number in range(WINDOW + 2):
        box.put(numbered(number), 1)
    box.put(numbered(999), 0)
    first = published(box.take(PLENTY))
    assert [int(one.payload) for one in first] == [*range(WINDOW), 999]
    box.acknowledge(first[0].packet_id)
    assert payloads(box.take(PLENTY)) == [WINDOW]
    box.acknowledge(40_000)  # nobody waits for it
    assert box.take(PLENTY) == b""


def test_a_budget_gives_a_little_at_a_time() -> None:
    box = outbox()
    for number in range(10):
        box.put(numbered(number), 0)
    assert payloads(box.take(1)) == [0]
    assert payloads(box.take(PLENTY)) == list(range(1, 10))


def test_at_qos_0_the_oldest_makes_room_and_is_counted() -> None:
    box = outbox(messages=3)
    for number in range(5):
        assert box.put(numbered(number), 0)
    assert box.dropped == 2
    assert payloads(box.take(PLENTY)) == [2, 3, 4]


def test_above_qos_0_it_does_too_and_whoever_puts_it_is_told() -> None:
    box = outbox(messages=3)
    assert [box.put(numbered(number), 1) for number in range(5)] == [True, True, True, False, False]
    assert payloads(box.take(PLENTY)) == [2, 3, 4]


def test_bytes_are_bounded_but_a_single_message_is_always_taken() -> None:
    box = outbox(size=500)
    assert box.put(Outgoing("t", b"x" * 1_000), 1)
    assert not box.put(Outgoing("t", b"y" * 90), 1)
    assert [one.payload[:1] for one in published(box.take(PLENTY))] == [b"y"]


def test_what_is_in_flight_is_sent_again_in_order_and_first() -> None:
    box = outbox()
    for number in range(4):
        box.put(numbered(number), 1)
    before = published(box.take(PLENTY))
    box.acknowledge(before[1].packet_id)
    box.disconnected()
    box.put(numbered(4), 1)
    box.reconnected()
    again = published(box.take(PLENTY))
    assert [(int(one.payload), one.dup) for one in again] == [(0, True), (2, True), (3, True), (4, False)]
    assert [one.packet_id for one in again[:3]] == [before[at].packet_id for at in (0, 2, 3)]
    box.disconnected()
    assert len(box) == 4


def test_qos_0_does_not_survive_the_connection() -> None:
    box = outbox()
    box.put(numbered(0), 0)
    box.put(numbered(1), 1)
    box.disconnected()
    box.reconnected()
    assert payloads(box.take(PLENTY)) == [1]


def test_qos_2_goes_on_where_it_was() -> None:
    box = outbox()
    box.put(numbered(0), 2)
    [sent] = published(box.take(PLENTY))
    assert box.received(sent.packet_id) == wire.acknowledge(wire.PUBREL, sent.packet_id)
    box.reconnected()
    assert box.take(PLENTY) == wire.acknowledge(wire.PUBREL, sent.packet_id)
    box.complete(sent.packet_id)
    assert len(box) == 0
    box.reconnected()
    assert box.take(PLENTY) == b""
    assert box.received(sent.packet_id) == wire.acknowledge(wire.PUBREL, sent.packet_id)  # it may ask again


@pytest.mark.parametrize(("qos", "wrong"), [(1, "received"), (1, "complete"), (2, "acknowledge")])
def test_an_acknowledgement_of_the_wrong_kind_is_malformed(qos: int, wrong: str) -> None:
    box = outbox()
    box.put(numbered(0), qos)
    [sent] = published(box.take(PLENTY))
    with pytest.raises(MalformedError, match=f"at QoS {qos}"):
        getattr(box, wrong)(sent.packet_id)


def test_identifiers_come_round_and_are_not_given_twice() -> None:
    box = outbox()
    box.put(numbered(0), 1)
    [kept] = published(box.take(PLENTY))
    seen = set()
    for number in range(0xFFFF):
        box.put(numbered(number), 1)
        [sent] = published(box.take(PLENTY))
        assert sent.packet_id != kept.packet_id
        seen.add(sent.packet_id)
        box.acknowledge(sent.packet_id)
    assert seen == set(range(1, 0x10000)) - {kept.packet_id}


@given(st.lists(st.sampled_from(["put0", "put1", "put2", "take", "ack", "rec", "comp", "lost"]), max_size=60))
def test_everything_assured_arrives_at_least_once_and_in_order(audit_events: list[str]) -> None:
    box, put, got = outbox(), 0, []
    waiting: dict[int, int] = {}

    def take() -> None:
        for one in published(box.take(50)):
            if one.qos:
                got.append(int(one.payload))
                waiting[one.packet_id] = one.qos

    for deed in audit_events:
        if deed.startswith("put"):
            box.put(numbered(put if deed != "put0" else -1), int(deed[-1]))
            put += deed != "put0"
        elif deed == "take":
            take()
        elif deed == "lost":
            box.disconnected()
            box.reconnected()
        else:
            qos = 1 if deed == "ack" else 2
            mine = next((packet_id for packet_id, found in waiting.items() if found == qos), None)
            if mine is not None and deed == "ack":
                box.acknowledge(mine)
            elif mine is not None and deed == "rec":
                box.received(mine)
            elif mine is not None:
                box.complete(mine)
            if mine is not None and deed != "rec":
                del waiting[mine]
    for _ in range(put + 1):
        take()
    assert sorted(set(got)) == list(range(put))
    first_seen = list(dict.fromkeys(got))
    assert first_seen == sorted(first_seen)


# --- inbox


def answers(data: bytes) -> list[tuple[Type, int]]:
    framer = PacketFramer(PLENTY)
    framer.feed(data)
    found = []
    while (frame := framer.take()) is not None:
        found.append((frame.type, read_packet_id(frame)))
    return found


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
