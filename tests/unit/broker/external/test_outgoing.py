"""Messages for an external broker: kept while it is away, bounded, and delivered once it says so."""

import asyncio

import pytest

from broker.bus import BusError
from broker.external.outgoing import Outgoing, OutgoingMessage


def message(qos: int = 1, delivered: "asyncio.Future[None] | None" = None) -> OutgoingMessage:
    return OutgoingMessage("t", b"x", qos, retain=False, delivered=delivered)


def test_without_a_connection_only_what_is_assured_is_kept_and_not_more_than_the_limit() -> None:
    outgoing = Outgoing(2, lambda _message: 1)
    assert outgoing.keep(message(qos=0))
    assert [outgoing.keep(message()) for _ in range(3)] == [True, True, False]
    assert outgoing.dropped == 1
    assert list(outgoing.take_waiting()) == [message(), message()]
    assert not outgoing.take_waiting()


def test_what_the_connection_has_no_room_for_is_counted() -> None:
    outgoing = Outgoing(2, lambda _message: None)
    assert not outgoing.send(message())
    assert outgoing.dropped == 1


def test_a_delivery_ends_with_its_puback_or_with_the_bus() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        identifiers = iter((5, 6, 7))
        outgoing = Outgoing(2, lambda _message: next(identifiers))
        first, second, given_up, waiting = (loop.create_future() for _ in range(4))
        for delivered in (first, second, given_up):
            assert outgoing.send(message(delivered=delivered))
        assert outgoing.keep(message(delivered=waiting))
        given_up.cancel()
        outgoing.acknowledged(5)
        outgoing.acknowledged(5)
        outgoing.acknowledged(7)
        assert (first.done(), second.done()) == (True, False)
        outgoing.close(BusError("closed"))
        assert first.result() is None
        for failed in (second, waiting):
            with pytest.raises(BusError, match="closed"):
                failed.result()

    asyncio.run(main())
