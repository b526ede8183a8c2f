#!/usr/bin/env bash
# Guess: `asyncio.sleep(0.0004)` lasts 0.4 ms at least on every loop, so a loop that sleeps so between messages sends 2,500 a
# second at most, and uses little of the processor.
# Seen (uvloop 0.23.0, Python 3.11): uvloop rounds a delay to whole milliseconds, half to even: up to 0.5 ms are none at all,
# and the loop spins; 1.4 ms are 1. A deadline so set also comes early by the loop's own clock. asyncio never wakes before the
# time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir uvloop==0.23.0
"$folder/venv/bin/python" - <<'PY'
import asyncio
import statistics
import time

import uvloop

TIMES = 100
DELAYS_MS = (0.4, 0.5, 1.4)


async def took_ms(delay_ms: float) -> tuple[float, float]:
    """The shortest of `TIMES` sleeps, and their median."""
    took = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        await asyncio.sleep(delay_ms / 1000)
        took.append((time.perf_counter() - begun) * 1000)
    return round(min(took), 2), round(statistics.median(took), 2)


async def main() -> dict[float, tuple[float, float]]:
    return {delay_ms: await took_ms(delay_ms) for delay_ms in DELAYS_MS}


plain, uv = asyncio.run(main()), uvloop.run(main())
print("asked: (shortest, median) ms, asyncio:", plain)
print("asked: (shortest, median) ms, uvloop: ", uv)
assert all(shortest >= asked for asked, (shortest, _) in plain.items()), "this has changed"
assert uv[0.4][1] < 0.1 and uv[0.5][1] < 0.1, "this has changed"
assert uv[1.4][0] < 1.4, "this has changed"
PY
