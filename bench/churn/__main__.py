"""Connect and disconnect clients for an hour on all three transports: `python -m bench.churn [--minutes 60]`.

Writes the curve of memory and descriptors, prints the result, and exits with status 1 if a sample was lost, a descriptor is
left or the server has logged a traceback.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from bench import report
from bench.churn import curve, picture
from bench.churn.curve import Line, Point
from bench.churn.run import Plan, Result, run

_HEAD = (
    "clients came and went for",
    "connections: MQTT, Socket.IO, HTTP",
    "sent",
    "acknowledged",
    "stored",
    "lost",
    "doubled",
    "memory, MB",
    "of it anonymous, MB",
    "MB an hour",
    "descriptors left",
    "CPU",
)


def main() -> int:
    """Run the command line, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--csv", type=Path, default=Path("docs/churn.csv"))
    parser.add_argument("--svg", type=Path, default=Path("docs/churn.svg"))
    parser.add_argument("--log", type=Path, help="where the server's log is kept")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    result = uvloop.run(run(Plan(options.minutes, seed=options.seed), _print_point))
    if options.log is not None:
        options.log.write_text(result.log)
    curve.write(options.csv, result.points)
    picture.draw(options.svg, result.points)
    print(report.table("Clients that come and go", _HEAD, [_row(result)]))
    _explain(result)
    return 0 if result.good else 1


def _print_point(point: Point) -> None:
    print(
        f"{point.seconds / 60:6.1f} min {point.resident_mb:7.2f} MB, {point.anonymous_mb:7.2f} anonymous,"
        f" {point.descriptors} descriptors, {point.threads} threads, {point.mqtt} MQTT, {point.socketio} Socket.IO,"
        f" {point.http} HTTP, {point.acknowledged} acknowledged, CPU {point.cpu_percent} %",
        file=sys.stderr,
        flush=True,
    )


def _row(result: Result) -> Sequence[str]:
    account, last = result.account, result.points[-1]
    counts = (account.sent, account.acknowledged, account.stored, account.lost, account.doubled)
    steady = curve.settled(result.points)
    return (
        f"{last.seconds / 60:.0f} min",
        f"{last.mqtt}, {last.socketio}, {last.http}",
        *map(str, counts),
        f"{steady[0].resident_mb:.1f} to {last.resident_mb:.1f}",
        f"{steady[0].anonymous_mb:.1f} to {last.anonymous_mb:.1f}",
        f"{_slope(result, 'resident_mb')}; anonymous {_slope(result, 'anonymous_mb')}",
        str(len(result.left)),
        f"{result.cpu:.0%}",
    )


def _slope(result: Result, field: str) -> str:
    """Return the slope of a field per hour with its error, from the steady part of the curve."""
    steady = curve.settled(result.points)
    line: Line = curve.fit([point.seconds / 3600 for point in steady], [getattr(point, field) for point in steady])
    return f"{line.slope:+.2f} ± {line.error:.2f}"


def _explain(result: Result) -> None:
    steady, world = curve.settled(result.points), result.world
    print(f"the slope is that from minute {steady[0].seconds / 60:.0f} on, by least squares, ± its standard error")
    print(f"the load itself: {result.own_cpu:.0%} CPU; {world.turned_away} clients did not come: too many were here")
    if result.account.strange:
        print(f"{result.account.strange} rows under keys that nobody sent")
    if result.left:
        print(f"descriptors left: {', '.join(result.left)}")
    if result.sockets_left:
        print(f"{result.sockets_left} Socket.IO sockets left")
    for event, times in (*world.cut_off.most_common(), *world.surprises.most_common()):
        print(f"{times} times {event}")
    for kind, times in result.tracebacks.most_common():
        print(f"{times} tracebacks: {kind}")


if __name__ == "__main__":
    sys.exit(main())
