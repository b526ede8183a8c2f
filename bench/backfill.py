"""Latency of live devices beside a backfill: `python -m bench.backfill [--quick]`.

Fifty devices send the samples of a day in batches, each as fast as it is acknowledged; others send a sample a second. The
time to their PUBACK, which comes after the commit, is measured without the backfill and with it.
"""

import asyncio
import contextlib
import json
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct

from bench import report, wire
from bench.pipeline import Stack
from broker.contract import MAX_BATCH

WINDOW: Final = 4
"""Batches of a device in flight."""
_PUBACK: Final = 0x40


class Plan(Struct, frozen=True):
    """Numbers of devices, and the duration of each of the two parts."""

    backfilling: int = 50
    live: int = 50
    seconds: int = 60


QUICK: Final = Plan(backfilling=2, live=2, seconds=3)


class Tally(Struct):
    """Milliseconds from each live sample to its PUBACK, and the number of acknowledged samples of the backfill."""

    latencies_ms: list[float]
    backfilled: int = 0


async def _join(port: int, name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(wire.connect(name))
    await reader.readexactly(4)
    return reader, writer


async def _puback(reader: asyncio.StreamReader) -> None:
    packet = await reader.readexactly(wire.PUBACK_BYTES)
    assert packet[0] == _PUBACK, packet


async def _live(port: int, number: int, end_s: float, tally: Tally) -> None:
    name = f"live{number}"
    reader, writer = await _join(port, name)
    seq = 0
    while (now_s := time.monotonic()) < end_s:
        body = wire.payload(seq, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
        writer.write(wire.publish(wire.topic(name, wire.SENSOR), body, qos=1, packet_id=seq % 60_000 + 1))
        await _puback(reader)
        tally.latencies_ms.append(1_000 * (time.monotonic() - now_s))
        seq += 1
        await asyncio.sleep(max(0.0, now_s + 1 - time.monotonic()))
    writer.close()


def _batch(boot: str, first: int, start: datetime) -> bytes:
    samples = (
        {
            "hr": 70 + seq % 20,
            "temp": 33.5,
            "eda": 0.5,
            "timestamp": (start + timedelta(seconds=seq)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "boot": boot,
            "seq": seq,
        }
        for seq in range(first, first + MAX_BATCH)
    )
    return json.dumps(list(samples), separators=(",", ":")).encode()


async def _backfill(port: int, number: int, tally: Tally) -> None:
    name, start = f"old{number}", datetime.now(UTC) - timedelta(days=1)
    reader, writer = await _join(port, name)
    sent = answered = 0
    while True:
        while sent - answered < WINDOW:
            body = _batch("b", sent * MAX_BATCH, start)
            writer.write(wire.publish(wire.topic(name, wire.SENSOR), body, qos=1, packet_id=sent % 60_000 + 1))
            sent += 1
            await writer.drain()
        await _puback(reader)
        answered += 1
        tally.backfilled += MAX_BATCH


async def _run(port: int, plan: Plan, *, backfill: bool) -> Tally:
    tally = Tally([])
    end_s = time.monotonic() + plan.seconds
    tasks = [asyncio.create_task(_backfill(port, number, tally)) for number in range(plan.backfilling * backfill)]
    await asyncio.gather(*(_live(port, number, end_s, tally) for number in range(plan.live)))
    for task in tasks:
        task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)
    return tally


def measure(quick: bool) -> str:
    """Return the table: without a backfill and with one, each on a fresh server."""
    plan = QUICK if quick else Plan()
    rows = []
    for backfill in (False, True):
        with tempfile.TemporaryDirectory() as folder, Stack(Path(folder)) as stack:
            tally = asyncio.run(_run(stack.port, plan, backfill=backfill))
            ordered = sorted(tally.latencies_ms)
            shares = [f"{report.percentile(ordered, share):,.1f}" for share in (0.5, 0.95, 0.99)]
            rate = tally.backfilled / plan.seconds
            shown = f"{plan.backfilling} devices" if backfill else "none"
            rows.append([shown, *shares, f"{ordered[-1]:,.1f}", f"{rate:,.0f}", f"{stack.peak_mb():,.0f}"])
    head = ["backfill", "p50 ms", "p95 ms", "p99 ms", "max ms", "backfilled samples a second", "peak memory MB"]
    title = (
        f"A backfill of {plan.backfilling} devices beside {plan.live} live ones, a sample a second each, {plan.seconds} s"
    )
    return report.table(title, head, rows)


if __name__ == "__main__":
    report.main(measure, __doc__)
