"""What a client is still to be sent: the outbox with its windows and bounds."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.protocol.outbound import WINDOW, Limits, Outbox, Outgoing
from broker.protocol.packet_framer import MalformedError
from broker.protocol.packet_types import Type
from broker.protocol.packets_in import Publish, read_publish
from tests.support.mqtt import wire
from tests.support.mqtt.packets import frames

PLENTY = 1_000_000


def outbox(messages: int = 1_000, size: int = PLENTY) -> Outbox:
    return Outbox(Limits(messages=messages, bytes=size))


def numbered(number: int) -> Outgoing:
    return Outgoing("t", str(number).encode())


def published(data: bytes) -> list[Publish]:
    """The publishes among the packets; a PUBREL is passed over."""
    return [read_publish(frame) for frame in frames(data, limit=PLENTY) if frame.type is Type.PUBLISH]


def payloads(data: bytes) -> list[int]:
    return [int(one.payload) for one in published(data)]


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


def lazy(made: list[int], *qos: int) -> Iterator[tuple[Outgoing, int]]:
    for number, one in enumerate(qos):
        made.append(number)
        yield numbered(number), one


def test_lazy_messages_are_made_when_their_turn_comes_and_before_what_is_queued() -> None:
    box = outbox()
    made: list[int] = []
    box.add_lazy("a", lazy(made, 0, 1))
    box.add_lazy("b", lazy([], 0))
    box.put(numbered(9), 0)
    assert (made, box.idle) == ([], False)
    assert payloads(box.take(1)) == [0]
    assert made == [0]
    assert payloads(box.take(PLENTY)) == [1, 0, 9]
    assert (made, box.idle, len(box)) == ([0, 1], True, 1)


def test_lazy_messages_wait_for_the_window() -> None:
    box = outbox()
    for number in range(WINDOW):
        box.put(numbered(number), 1)
    [first, *_] = published(box.take(PLENTY))
    made: list[int] = []
    box.add_lazy("a", lazy(made, 0))
    assert (box.take(PLENTY), made) == (b"", [])
    box.acknowledge(first.packet_id)
    assert payloads(box.take(PLENTY)) == [0]


def test_a_filter_that_is_subscribed_to_again_begins_anew() -> None:
    box = outbox()
    box.add_lazy("a", lazy([], 0, 0, 0))
    assert payloads(box.take(1)) == [0]
    box.add_lazy("a", lazy([], 0, 0))
    assert payloads(box.take(PLENTY)) == [0, 1]


def test_a_message_is_encoded_once_for_all_at_qos_0() -> None:
    message = numbered(1)
    assert message.plain() is message.plain()


def test_what_is_acknowledged_before_its_turn_is_not_sent_again() -> None:
    box = outbox()
    for number in range(3):
        box.put(numbered(number), 1)
    sent = published(box.take(PLENTY))
    box.reconnected()
    box.acknowledge(sent[1].packet_id)
    assert payloads(box.take(PLENTY)) == [0, 2]
