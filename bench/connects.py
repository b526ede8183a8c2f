"""What a CONNECT and a large SUBSCRIBE cost beside retained topics and filters: `python -m bench.connects [--quick]`."""

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
    """`topics` are retained; as many other clients have one of them each as their filter."""

    rounds: int = 3
    topics: int = 500
    connects: int = 50
    subscribes: int = 10


QUICK: Final = Plan(rounds=1, topics=50, connects=10, subscribes=2)
Costs = dict[tuple[str, Kind], list[float]]


def measure(quick: bool) -> str:
    """Both on both servers in turn."""
    plan = QUICK if quick else Plan()
    costs: Costs = defaultdict(list)
    for _ in range(plan.rounds):
        for kind in KINDS:
            _round(kind, plan, costs)
    rows = [
        [
            name,
            *(report.middle(costs[name, kind], 2) for kind in KINDS),
            report.ratio(*(costs[name, one] for one in KINDS[::-1])),
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
        for number, one in enumerate(filters):
            stack.enter_context(Client(server.port, f"other{number}")).subscribe(one)
        with Client(server.port, "publisher") as publisher:
            for one in filters:
                publisher.socket.sendall(wire.publish(one, _STATUS, retain=True))
            server.settled_cpu_us()
        costs[CONNECT, kind].append(_connect_ms(server, plan.connects))
        costs[SUBSCRIBE, kind].append(_subscribe_ms(server, plan.subscribes, filters))


def _connect_ms(server: Server, count: int) -> float:
    """Of one of `count` clients, which all stay."""
    with ExitStack() as stack:
        before = server.settled_cpu_us()
        for number in range(count):
            stack.enter_context(Client(server.port, f"new{number}"))
        cost_ms = (server.settled_cpu_us() - before) / count / 1000
    server.settled_cpu_us()
    return cost_ms


def _subscribe_ms(server: Server, count: int, filters: list[str]) -> float:
    """Of one SUBSCRIBE with all filters, and the retained messages that it brings."""
    packet = wire.subscribe(filters)
    retained = sum(len(wire.publish(one, _STATUS, retain=True)) for one in filters)
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(server.port, f"reader{number}")) for number in range(count)]
        before = server.settled_cpu_us()
        for client in clients:
            client.socket.sendall(packet)
            client.skip(wire.suback_bytes(len(filters)) + retained)
        return (server.settled_cpu_us() - before) / count / 1000


if __name__ == "__main__":
    report.main(measure, __doc__)
