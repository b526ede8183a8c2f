"""Memory of the server when a subscriber never reads: `python -m bench.deaf [--quick]`."""

from collections import defaultdict
from typing import Final

from msgspec import Struct

from bench import report, wire
from bench.watched import KINDS, Kind, Server
from bench.wire import Client

_RECEIVE_BUFFER: Final = 4_096


class Plan(Struct, frozen=True):
    """`mb` of payloads at QoS 0, in messages of `message_bytes`."""

    rounds: int = 3
    mb: int = 200
    message_bytes: int = 10_000


QUICK: Final = Plan(rounds=1, mb=10)
Figures = dict[tuple[str, Kind], list[float]]


def measure(quick: bool) -> str:
    """Return the table: the same messages on both servers by turns."""
    plan = QUICK if quick else Plan()
    figures: Figures = defaultdict(list)
    for _ in range(plan.rounds):
        for kind in KINDS:
            for name, value in _round(kind, plan).items():
                figures[name, kind].append(value)
    names = dict.fromkeys(name for name, _ in figures)
    rows = [[name, *(report.middle(figures[name, kind], 1) for kind in KINDS)] for name in names]
    return report.table(f"{plan.mb} MB at QoS 0 for a subscriber that never reads", ["server memory, MB", *KINDS], rows)


def _round(kind: Kind, plan: Plan) -> dict[str, float]:
    with (
        Server(kind) as server,
        Client(server.port, "deaf", receive_buffer=_RECEIVE_BUFFER) as deaf,
        Client(server.port, "publisher") as publisher,
    ):
        deaf.subscribe(wire.topic("+", wire.LIVE))
        before_mb = server.resident_mb()
        packet = wire.publish(wire.topic("dev00000", wire.LIVE), bytes(plan.message_bytes))
        publisher.flood(packet, plan.mb * 10**6 // plan.message_bytes)
        server.settled_cpu_us()
        return {"before": before_mb, "after": server.resident_mb(), "at most": server.peak_mb()}


if __name__ == "__main__":
    report.main(measure, __doc__)
