"""The bounded buffer between a bus and a subscriber."""

import asyncio

from broker.message import Message
from broker.pacing.fair_queue import MAX_TOPIC_BYTES, OVERHEAD
from broker.subscription import BUFFER_BYTES, Subscription
from tests.support.mqtt.aio import run, turns


def subscription(buffer: int = 3, *, durable: bool = True) -> Subscription:
    return Subscription(["a/+", "b/#"], qos=1, durable=durable, buffer=buffer)


def message(number: int) -> Message:
    return Message("a/b", str(number).encode(), trusted=True)


def numbers(messages: list[Message]) -> list[int]:
    return [int(one.payload) for one in messages]


def test_any_of_the_filters_matches() -> None:
    async def main() -> None:
        sub = subscription()
        assert [sub.matches(topic) for topic in ("a/x", "b/x/y", "c", "a/x/y")] == [True, True, False, False]

    run(main)


def test_put_waits_for_room_and_keeps_the_order() -> None:
    async def main() -> None:
        sub = subscription(buffer=2)
        await sub.put(message(0))
        await sub.put(message(1))
        late = [asyncio.create_task(sub.put(message(number))) for number in (2, 3)]
        await turns()
        assert len(sub) == 2
        assert not any(task.done() for task in late)
        assert numbers(await sub.take(1)) == [0]
        await turns()
        assert [task.done() for task in late] == [True, False]
        assert len(sub) == 2
        assert numbers(await sub.take(9)) == [1, 2]
        await asyncio.gather(*late)
        assert numbers(await sub.take(9)) == [3]
        assert sub.dropped == 0

    run(main)


def test_offer_drops_the_oldest_and_counts() -> None:
    async def main() -> None:
        sub = subscription(buffer=3, durable=False)
        for number in range(5):
            sub.offer(message(number))
        assert len(sub) == 3
        assert sub.dropped == 2
        assert numbers(await sub.take(9)) == [2, 3, 4]

    run(main)


def test_take_waits_and_gives_at_most_the_limit() -> None:
    async def main() -> None:
        sub = subscription(buffer=9)
        taker = asyncio.create_task(sub.take(4))
        await turns()
        assert not taker.done()
        for number in range(6):
            sub.offer(message(number))
        assert numbers(await taker) == [0, 1, 2, 3]
        assert numbers(await sub.take(4)) == [4, 5]
        assert len(sub) == 0

    run(main)


def test_one_message_wakes_one_of_two_takers_and_the_other_goes_on_waiting() -> None:
    async def main() -> None:
        sub = subscription()
        takers = [asyncio.create_task(sub.take(1)) for _ in range(2)]
        await turns()
        sub.offer(message(0))
        await turns()
        assert [task.done() for task in takers] == [True, False]
        sub.offer(message(1))
        assert numbers(await takers[0]) + numbers(await takers[1]) == [0, 1]

    run(main)


def test_close_wakes_takers() -> None:
    async def main() -> None:
        sub = subscription()
        takers = [asyncio.create_task(sub.take(1)) for _ in range(2)]
        await turns()
        sub.close()
        assert await asyncio.gather(*takers) == [[], []]

    run(main)


def test_close_wakes_putters_and_leaves_what_is_buffered() -> None:
    async def main() -> None:
        sub = subscription(buffer=1)
        await sub.put(message(0))
        putter = asyncio.create_task(sub.put(message(1)))
        await turns()
        assert not putter.done()
        sub.close()
        await putter
        assert numbers([one async for one in sub]) == [0]
        assert await sub.take(1) == []

    run(main)


def test_what_comes_after_close_is_ignored_and_displaces_nothing() -> None:
    async def main() -> None:
        sub = subscription(buffer=1, durable=False)
        sub.offer(message(0))
        sub.close()
        sub.offer(message(1))
        await sub.put(message(2))
        assert numbers(await sub.take(9)) == [0]
        assert sub.dropped == 0

    run(main)


def sent(topic: str, number: int, size: int = 0) -> Message:
    return Message(topic, str(number).encode().rjust(size), trusted=True)


def fill(sub: Subscription, topic: str, size: int) -> int:
    """As many messages as may wait of a topic."""
    count = 0
    while not sub.full_for(topic):
        sub.offer(sent(topic, count, size))
        count += 1
    return count


def test_what_may_wait_of_one_topic_is_bounded_and_the_others_do_not_notice() -> None:
    async def main() -> None:
        sub = subscription(buffer=10_000)
        assert fill(sub, "a/much", 50_000) == -(-MAX_TOPIC_BYTES // (50_000 + OVERHEAD))
        assert fill(sub, "a/small", 100) == -(-MAX_TOPIC_BYTES // (100 + OVERHEAD))
        assert not sub.full
        assert not sub.full_for("a/third")
        late = asyncio.create_task(sub.put(sent("a/much", 99)))
        await turns()
        await asyncio.wait_for(sub.put(sent("a/third", 0)), 1)
        assert not late.done()
        sub.close()
        await late

    run(main)


def test_who_waits_for_one_topic_does_not_hold_up_who_waits_for_another() -> None:
    async def main() -> None:
        sub = subscription(buffer=10_000)
        fill(sub, "a/much", 200_000)
        fill(sub, "a/small", 100)
        much = asyncio.create_task(sub.put(sent("a/much", 99)))
        small = asyncio.create_task(sub.put(sent("a/small", 99)))
        await turns()
        while not small.done():
            assert {one.topic for one in await sub.take(5)} == {"a/small"}
            await turns()
        assert not much.done()
        sub.close()
        await much

    run(main)


def test_a_topic_with_little_does_not_wait_behind_one_with_much() -> None:
    async def main() -> None:
        sub = subscription(buffer=10_000)
        batches = [fill(sub, f"a/{name}", 50_000) for name in range(50)]
        first = await sub.take(500, size=64 * 1024)
        for round_ in range(20):
            for number in range(10):
                sub.offer(sent(f"b/{number}", round_))
            taken = await sub.take(500, size=64 * 1024)
            assert [int(one.payload) for one in taken if one.topic.startswith("b/")] == [round_] * 10
            assert len(taken) > 10  # and those with much go on
            first += taken
        while len(sub):
            first += await sub.take(500, size=64 * 1024)
        for name in range(50):
            line = [int(one.payload) for one in first if one.topic == f"a/{name}"]
            assert line == list(range(batches[name]))
        much = [one.topic for one in first if one.topic.startswith("a/")]
        assert {much[: 50 * 3].count(f"a/{name}") for name in range(50)} == {3}

    run(main)


def test_take_stops_at_a_size_but_gives_at_least_one() -> None:
    async def main() -> None:
        sub = subscription(buffer=9)
        for number in range(5):
            sub.offer(sent("a/b", number, 100))
        assert [len(await sub.take(9, size=size)) for size in (1, 100, 101, 9_999)] == [1, 1, 2, 1]

    run(main)


def test_all_topics_together_are_bounded_by_their_bytes() -> None:
    async def main() -> None:
        sub = subscription(buffer=100_000)
        count = 0
        while not sub.full:
            sub.offer(sent(f"a/{count}", 0, 250_000))
            count += 1
        assert count == -(-BUFFER_BYTES // 250_000)
        assert sub.full_for("a/new")

    run(main)


def test_a_durable_subscriber_loses_only_what_nobody_asks_an_acknowledgement_of() -> None:
    async def ack() -> None:
        """Nobody listens."""

    async def main() -> None:
        sub = subscription(buffer=2)
        for number in range(4):
            sub.offer(message(number))
        sub.offer(Message("a/b", b"9", trusted=True, ack=ack))
        assert sub.dropped == 2
        assert numbers(await sub.take(9)) == [0, 1, 9]

    run(main)


def test_ack_calls_what_the_bus_gave() -> None:
    acknowledged: list[str] = []

    async def ack() -> None:
        acknowledged.append("yes")

    async def main() -> None:
        await Message("a", b"", trusted=False).ack()
        assert acknowledged == []
        await Message("a", b"", trusted=False, ack=ack).ack()
        assert acknowledged == ["yes"]

    run(main)
