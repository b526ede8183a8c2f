"""Acknowledgements between the bus and its broker: in order, and only while there is a connection."""

import asyncio
import itertools

import pytest

from broker.external.pending_acks import PendingAcks, PendingSubacks


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_acknowledgements_go_out_in_the_order_of_the_messages(order: tuple[int, ...]) -> None:
    sent: list[tuple[int, int]] = []
    acks = PendingAcks(lambda packet_id, qos: sent.append((packet_id, qos)))
    pending = [acks.expect(packet_id, 1) for packet_id in (7, 8, 9)]
    for number, index in enumerate(order):
        acks.acknowledge(pending[index])
        done = set(order[: number + 1])
        ready = next((one for one in range(3) if one not in done), 3)
        assert sent == [(7 + one, 1) for one in range(ready)]


def test_after_the_connection_nothing_is_acknowledged() -> None:
    sent: list[int] = []
    acks = PendingAcks(lambda packet_id, _qos: sent.append(packet_id))
    first, second = acks.expect(1, 1), acks.expect(2, 2)
    acks.acknowledge(first)
    acks.close()
    acks.acknowledge(second)
    assert sent == [1]


def test_a_suback_names_the_filters_that_failed() -> None:
    async def main() -> None:
        subacks, answered = PendingSubacks(), asyncio.get_running_loop().create_future()
        subacks.expect(3, ["a", "b", "c"], answered)
        assert subacks.answered(4, [True]) == []
        assert (len(subacks), answered.done()) == (1, False)
        assert subacks.answered(3, [True, False, True]) == ["a", "c"]
        assert (len(subacks), answered.done()) == (0, True)

    asyncio.run(main())


def test_the_end_of_the_connection_answers_those_who_still_wait() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        subacks, waiting, given_up = PendingSubacks(), loop.create_future(), loop.create_future()
        subacks.expect(1, ["a"], waiting)
        subacks.expect(2, ["b"], given_up)
        given_up.cancel()
        subacks.close()
        assert (len(subacks), waiting.result(), given_up.cancelled()) == (0, None, True)

    asyncio.run(main())
