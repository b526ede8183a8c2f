"""CPU time of a CONNECT and of a large SUBSCRIBE, with many retained topics: `python -m bench.connects [--quick]`."""

from collections import defaultdict
from contextlib import ExitStack
from typing import Final

from msgspec import Struct

from bench import report, wire
from bench.watched import KINDS, Kind, Server
from bench.wire import Client

CONNECT: Final = "CONNECT to CONNACK"
SUBSCRIBE: Final = "SUBSCRIBE to the last retained message"
_STATUS: Final = b'{"status":"online"}'


class Plan(Struct, frozen=True):
    """`topics` retained topics; as many other clients subscribe to one of them each."""

    rounds: int = 3
    topics: int = 500
    connects: int = 50
    subscribes: int = 10


QUICK: Final = Plan(rounds=1, topics=50, connects=10, subscribes=2)
Costs = dict[tuple[str, Kind], list[float]]


def measure(quick: bool) -> str:
    """Return the table: both packets, on both servers by turns."""
    plan = QUICK if quick else Plan()
    costs: Costs = defaultdict(list)
    for _ in range(plan.rounds):
        for kind in KINDS:
            _round(kind, plan, costs)
    rows = [
        [
            name,
            *(report.middle(costs[name, kind], 2) for kind in KINDS),
            report.ratio(*(costs[name, kind] for kind in KINDS[::-1])),
        ]
        for name in (f"{CONNECT}, none retained, no filters", CONNECT, SUBSCRIBE)
    ]
    title = (
        f"Server CPU milliseconds, {plan.topics} retained topics and {plan.topics} filters of {plan.topics} other clients"
    )
    return report.table(title, ["", *KINDS, "amqtt to ours"], rows)


def _round(kind: Kind, plan: Plan, costs: Costs) -> None:
    filters = [wire.topic(wire.device(number), wire.STATUS) for number in range(plan.topics)]
    with Server(kind) as server, ExitStack() as stack:
        costs[f"{CONNECT}, none retained, no filters", kind].append(_connect_ms(server, plan.connects))
        for number, topic_filter in enumerate(filters):
            stack.enter_context(Client(server.port, f"other{number}")).subscribe(topic_filter)
        with Client(server.port, "publisher") as publisher:
            for topic in filters:
                publisher.socket.sendall(wire.publish(topic, _STATUS, retain=True))
            server.settled_cpu_us()
        costs[CONNECT, kind].append(_connect_ms(server, plan.connects))
        costs[SUBSCRIBE, kind].append(_subscribe_ms(server, plan.subscribes, filters))


def _connect_ms(server: Server, count: int) -> float:
    """Return the mean CPU milliseconds of a CONNECT, of `count` clients that stay connected."""
    with ExitStack() as stack:
        before = server.settled_cpu_us()
        for number in range(count):
            stack.enter_context(Client(server.port, f"new{number}"))
        cost_ms = (server.settled_cpu_us() - before) / count / 1000
    server.settled_cpu_us()
    return cost_ms


def _subscribe_ms(server: Server, count: int, filters: list[str]) -> float:
    """Return the mean CPU milliseconds of a SUBSCRIBE with all filters and of the retained messages that follow."""
    packet = wire.subscribe(filters)
    retained = sum(len(wire.publish(topic, _STATUS, retain=True)) for topic in filters)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port, f"reader{number}")) for number in range(count)]
        before = server.settled_cpu_us()
        for client in clients:
            client.socket.sendall(packet)
            client.skip(wire.suback_bytes(len(filters)) + retained)
        return (server.settled_cpu_us() - before) / count / 1000


if __name__ == "__main__":
    report.main(measure, __doc__)
