"""CPU time of a message at the server, with 0, 100 and 1,000 idle subscriptions: `python -m bench.messages [--quick]`."""

from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from msgspec import Struct

from bench import report, wire
from bench.watched import KINDS, Kind, Server
from bench.wire import Client

WINDOW: Final = 50


class Plan(Struct, frozen=True):
    """Numbers of rounds, idle clients and messages; fewer messages for plain amqtt, which may take 20 times as long."""

    rounds: int = 12
    idle: tuple[int, ...] = (0, 100, 1_000)
    messages: tuple[tuple[Kind, int], ...] = (("ours", 4_000), ("amqtt", 1_000))


QUICK: Final = Plan(rounds=1, idle=(0, 100), messages=(("ours", 1_000), ("amqtt", 200)))
Case = Callable[[Server, int], None]
Costs = dict[tuple[str, Kind, int], list[float]]


def best_effort(server: Server, count: int) -> None:
    """Publish at QoS 0."""
    with Client(server.port, "publisher") as client:
        client.flood(wire.publish(wire.topic("dev99999", wire.SENSOR), wire.payload()), count)
        server.settled_cpu_us()


def windowed(server: Server, count: int) -> None:
    """Publish at QoS 1 with `WINDOW` messages in flight."""
    _acknowledged(server, count, WINDOW)


def one_by_one(server: Server, count: int) -> None:
    """Publish at QoS 1, and wait for each PUBACK."""
    _acknowledged(server, count // 4, 1)


def _acknowledged(server: Server, count: int, window: int) -> None:
    with Client(server.port, "publisher") as client:
        client.publish_acknowledged(wire.topic("dev99999", wire.SENSOR), wire.payload(), count, window)
        # amqtt acknowledges before it processes a message, and drops the unprocessed ones when the connection ends.
        server.settled_cpu_us()


def outwards(server: Server, count: int) -> None:
    """Publish at QoS 0 from inside the process to one subscriber on the network."""
    with Client(server.port, "dashboard") as client:
        client.subscribe(wire.topic("+", wire.LIVE))
        server.ask(f"publish {count}")
        client.skip(count * len(wire.publish(wire.topic("dev00000", wire.LIVE), wire.payload())))


CASES: Final[dict[str, Case]] = {
    "in, QoS 0": best_effort,
    f"in, QoS 1, {WINDOW} on their way": windowed,
    "in, QoS 1, one by one": one_by_one,
    "out to one network subscriber, QoS 0": outwards,
}


def measure(quick: bool) -> str:
    """Return the table. All servers run and take turns, so that a slow moment of the machine affects all of them."""
    plan = QUICK if quick else Plan()
    costs: Costs = defaultdict(list)
    with ExitStack() as stack:
        servers = {(kind, idle): _server(stack, kind, idle) for kind in KINDS for idle in plan.idle}
        for _ in range(plan.rounds):
            for name, case in CASES.items():
                for (kind, idle), server in servers.items():
                    costs[name, kind, idle].append(_cost_us(server, case, dict(plan.messages)[kind]))
        for (kind, _), server in servers.items():
            _check(kind, server.ask("taken"), plan)
    head = ["", "server", *(f"{idle:,} idle" for idle in plan.idle), f"{plan.idle[-1]:,} to none"]
    return report.table("Server CPU microseconds a message, by idle subscriptions", head, _rows(plan, costs))


def _server(stack: ExitStack, kind: Kind, idle: int) -> Server:
    """Start a server with `idle` clients that have subscribed to their commands."""
    server = stack.enter_context(Server(kind))
    for number in range(idle):
        holder = stack.enter_context(Client(server.port, f"idle{number:05d}"))
        holder.subscribe(wire.topic(wire.device(number), wire.COMMAND))
    return server


def _cost_us(server: Server, case: Case, count: int) -> float:
    before = server.settled_cpu_us()
    case(server, count)
    cost = server.settled_cpu_us() - before
    return cost / (count // 4 if case is one_by_one else count)


def _check(kind: Kind, taken: int, plan: Plan) -> None:
    count = dict(plan.messages)[kind]
    expected = plan.rounds * (2 * count + count // 4)
    if kind == "ours" and taken != expected:
        raise RuntimeError(f"the subscriber took {taken} of {expected} messages")


def _rows(plan: Plan, costs: Costs) -> list[list[str]]:
    return [
        [
            name,
            kind,
            *(report.middle(costs[name, kind, idle]) for idle in plan.idle),
            report.ratio(costs[name, kind, plan.idle[-1]], costs[name, kind, plan.idle[0]]),
        ]
        for name in CASES
        for kind in KINDS
    ]


if __name__ == "__main__":
    report.main(measure, __doc__)
