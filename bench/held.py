"""Ten thousand held connections, and the highest rate of acknowledgements: `python -m bench.held [--quick]`.

The messages are acknowledged by a subscriber in the process that stores nothing; `bench.pipeline` includes the commit.
"""

import time
from collections import defaultdict
from typing import Final

from msgspec import Struct

from bench import report, wire
from bench.crowd import Answered, Crowd
from bench.watched import KINDS, Kind, Server

FILTERS: Final = (wire.ANSWER, wire.COMMAND)
"""Channels that each device subscribes to."""
KEEP_ALIVE_S: Final = 60


class Plan(Struct, frozen=True):
    """`rates`: messages a second of all connections together. Plain amqtt gets a tenth of the connections and fewer
    messages: with as many it takes minutes to subscribe, and then 11 ms for each message.
    """

    rounds: int = 3
    connections: tuple[tuple[Kind, int], ...] = (("ours", 10_000), ("amqtt", 1_000))
    rates: tuple[tuple[Kind, int], ...] = (("ours", 1_000), ("amqtt", 50))
    pings: int = 1_000
    seconds: int = 20
    loud: int = 100
    window: int = 20
    loud_s: float = 8


QUICK: Final = Plan(
    rounds=1,
    connections=(("ours", 200), ("amqtt", 100)),
    rates=(("ours", 200), ("amqtt", 50)),
    pings=200,
    seconds=2,
    loud=20,
    loud_s=1,
)
Figures = dict[tuple[str, Kind], list[float]]


def measure(quick: bool) -> str:
    """Return the table: held connections, then saturation, on both servers by turns."""
    plan = QUICK if quick else Plan()
    figures: Figures = defaultdict(list)
    for _ in range(plan.rounds):
        for kind in KINDS:
            for name, value in {**_hold(kind, plan), **_saturate(kind, plan)}.items():
                figures[name, kind].append(value)
    names = dict.fromkeys(name for name, _ in figures)
    rows = [[name, *(report.middle(figures[name, kind], 1) for kind in KINDS)] for name in names]
    return report.table("Held connections, and saturation", ["", *KINDS], rows)


def _hold(kind: Kind, plan: Plan) -> dict[str, float]:
    count = dict(plan.connections)[kind]
    with Server(kind) as server:
        empty_mb, before = server.resident_mb(), server.settled_cpu_us()
        with Crowd(server.port, count, keep_alive_s=KEEP_ALIVE_S) as crowd:
            connect_us = server.settled_cpu_us() - before
            connected_mb = server.resident_mb()
            crowd.ask_each(_subscribe, wire.suback_bytes(len(FILTERS)))
            server.settled_cpu_us()
            subscribed_mb = server.resident_mb()
            return {
                "connections": count,
                "CPU ms a connect": connect_us / count / 1000,
                "KB of memory a connection": (connected_mb - empty_mb) * 1024 / count,
                f"KB with {len(FILTERS)} filters": (subscribed_mb - empty_mb) * 1024 / count,
                **_quiet(server, crowd, plan, count),
                **_paced(server, crowd, plan, dict(plan.rates)[kind], count),
            }


def _subscribe(number: int) -> bytes:
    return wire.subscribe([wire.topic(wire.device(number), name) for name in FILTERS])


def _quiet(server: Server, crowd: Crowd, plan: Plan, count: int) -> dict[str, float]:
    """Return the CPU time of silent connections, and that of a PINGREQ."""
    server.settled_cpu_us()
    before = server.cpu_us()
    time.sleep(plan.seconds / 4)
    idle_us = (server.cpu_us() - before) / (plan.seconds / 4)
    before, start_s = server.cpu_us(), time.monotonic()
    crowd.ask_each(lambda _: wire.PINGREQ, 2, plan.pings)
    ping_us = server.cpu_us() - before - idle_us * (time.monotonic() - start_s)
    return {"CPU ms a second, silent": idle_us / 1000, "CPU us a PINGREQ": ping_us / count}


def _paced(server: Server, crowd: Crowd, plan: Plan, rate: int, count: int) -> dict[str, float]:
    messages = [_message(number, count) for number in range(rate * plan.seconds)]
    before = server.settled_cpu_us()
    answered = crowd.paced(messages, rate)
    cost_us = server.settled_cpu_us() - before
    at = "paced"
    return {
        f"{at}: messages a second": rate,
        f"{at}: sent": len(messages),
        f"{at}: PUBACKs": len(answered.latencies_ms),
        **latencies(at, answered),
        f"{at}: CPU us a message": cost_us / len(messages),
        "peak memory, MB": server.peak_mb(),
    }


def latencies(at: str, answered: Answered) -> dict[str, float]:
    """Return percentiles by their names, which begin with `at`."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    latencies_ms = {
        f"{at}: PUBACK after ms, {name}": report.percentile(answered.latencies_ms, share) for name, share in shares.items()
    }
    return {**latencies_ms, f"{at}: sent late by ms, p99": report.percentile(answered.late_ms, 0.99)}


def _message(number: int, connections: int) -> bytes:
    name = wire.topic(wire.device(number % connections), wire.SENSOR)
    return wire.publish(name, wire.payload(number), qos=1, packet_id=1 + number // connections)


def _saturate(kind: Kind, plan: Plan) -> dict[str, float]:
    with Server(kind) as server, Crowd(server.port, plan.loud) as crowd:
        before, own = server.settled_cpu_us(), time.process_time()
        answered = crowd.saturate(plan.loud_s, plan.window)
        own_share = (time.process_time() - own) / plan.loud_s
        cost_us = server.settled_cpu_us() - before
        at = f"{plan.loud} connections, {plan.window} on their way each"
        return {
            f"{at}: PUBACKs a second": answered / plan.loud_s,
            f"{at}: CPU us a message": cost_us / (answered + plan.loud * plan.window),
            f"{at}: the load's own CPU, %": own_share * 100,
        }


if __name__ == "__main__":
    report.main(measure, __doc__)
