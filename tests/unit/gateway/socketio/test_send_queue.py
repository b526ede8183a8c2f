"""What one frontend is sent, and what it is told that it was not."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.socketio.send_queue import MAX_LAGGING, Kind, SendQueue

KIND: Kind = ("new_sensor_data", "a")


class Frontend:
    """Reads `room` packets at a time."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.waiting: list[Any] = []
        self.read: list[Any] = []
        self.queue = SendQueue(lambda: len(self.waiting) < self.room, self.waiting.append)

    def reads(self) -> None:
        self.read += self.waiting
        self.waiting.clear()


def test_who_keeps_up_gets_everything_in_order() -> None:
    frontend = Frontend(3)
    for number in range(30):
        assert frontend.queue.put(KIND, number) == 0
        if number % 3 == 2:
            frontend.reads()
    assert frontend.read == list(range(30))
    assert not frontend.queue.lagging


def test_who_does_not_is_sent_the_newest_of_each_kind_and_told_how_many_it_was_not() -> None:
    frontend = Frontend(2)
    for number in range(10):
        frontend.queue.put(("new_sensor_data", "ab"[number % 2]), number)
    assert frontend.waiting == [0, 1]
    assert frontend.queue.lagging
    assert frontend.queue.catch_up() is None, "there is no room yet"
    frontend.reads()
    assert frontend.queue.catch_up() == 6
    assert frontend.waiting == [8, 9]
    assert not frontend.queue.lagging


def test_nothing_overtakes_what_is_kept() -> None:
    frontend = Frontend(1)
    for number in range(3):
        frontend.queue.put(KIND, number)
    frontend.reads()
    frontend.queue.put(KIND, 3)
    frontend.queue.catch_up()
    frontend.reads()
    assert frontend.read == [0, 3]


def test_what_is_kept_is_bounded() -> None:
    frontend = Frontend(0)
    given_up = [frontend.queue.put(("new_sensor_data", str(number)), number) for number in range(MAX_LAGGING + 5)]
    assert sum(given_up) == 5
    frontend.room = 10**6
    assert frontend.queue.catch_up() == 5
    assert len(frontend.waiting) == MAX_LAGGING


def test_what_was_lost_before_is_told_too() -> None:
    frontend = Frontend(1)
    frontend.queue.add_dropped(7)
    assert frontend.queue.lagging
    assert frontend.queue.catch_up() == 7


@given(
    room=st.integers(1, 5), steps=st.lists(st.one_of(st.just("read"), st.just("tick"), st.sampled_from("abc")), max_size=80)
)
def test_every_event_is_sent_or_counted_and_the_newest_comes_last(room: int, steps: Sequence[str]) -> None:
    frontend, numbers, newest, skipped = Frontend(room), count(), dict[str, int](), 0
    for step in steps:
        if step == "read":
            frontend.reads()
        elif step == "tick":
            skipped += frontend.queue.catch_up() or 0
        else:
            newest[step] = next(numbers)
            frontend.queue.put(("new_sensor_data", step), (step, newest[step]))
    while frontend.queue.lagging:
        frontend.reads()
        skipped += frontend.queue.catch_up() or 0
    frontend.reads()
    assert len(frontend.read) + skipped == next(numbers)
    assert dict(frontend.read) == newest
