"""`stresswire replay`: publishes recordings as devices over MQTT."""

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from broker.address import MqttAddress
from broker.contract import SensorSample
from models.errors import RecordingError
from models.recordings import Recording, Row, read_recordings
from stresswire.device import Tally, connected

BATCH_S = 0.05
"""Samples that fall due within this time are sent together: beyond 20 a second, in batches."""
MAX_BATCH_SENT = 100

Progress = Callable[[str], None]


def choose(path: Path, subjects: Sequence[str]) -> list[Recording]:
    """Return the recordings of `subjects`, or all if none is given. Raises `RecordingError` for an unknown subject."""
    recordings = read_recordings(path)
    known = {recording.subject for recording in recordings}
    if missing := [subject for subject in subjects if subject not in known]:
        some = ", ".join(sorted(known)[:8])
        raise RecordingError(f"{path}: no subject {missing[0]}; there are {some}{' ...' if len(known) > 8 else ''}")
    return [recording for recording in recordings if not subjects or recording.subject in subjects]


async def replay(
    address: MqttAddress, recordings: Sequence[Recording], speed: float, now: Callable[[], datetime], progress: Progress
) -> dict[str, Tally]:
    """Publish all recordings at the same time, each from its own device; return the counts of samples by device.

    Args:
        address: the broker.
        recordings: recordings of people; the subject's name becomes the device's.
        speed: 1 is real time, 60 is a minute in a second.
        now: the clock. The samples' timestamps end when their sending ends, so that the live view shows them.
        progress: called every 5 s with a line of text for each device.
    """
    async with asyncio.TaskGroup() as tasks:
        replays = [tasks.create_task(_replay(address, recording, speed, now, progress)) for recording in recordings]
    return {device_id_of(recording.name): task.result() for recording, task in zip(recordings, replays, strict=True)}


def device_id_of(subject: str) -> str:
    """Return a subject's name as a device id: other characters become ``_``, and 64 characters are kept."""
    return re.sub(r"[^A-Za-z0-9_:-]", "_", subject)[:64] or "_"


async def _replay(
    address: MqttAddress, recording: Recording, speed: float, now: Callable[[], datetime], progress: Progress
) -> Tally:
    rows = [row for row in recording.rows if (row.hr, row.temp, row.eda) != (None, None, None)]
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    ends = now() + timedelta(seconds=(rows[-1].t_s - rows[0].t_s) / speed) if rows else now()
    reported_s = started_s
    async with connected(address, device_id_of(recording.name)) as device:
        sent = 0
        while sent < len(rows):
            await asyncio.sleep(started_s + (rows[sent].t_s - rows[0].t_s) / speed - loop.time())
            due_s = rows[0].t_s + (loop.time() - started_s + BATCH_S) * speed
            limit = min(sent + MAX_BATCH_SENT, len(rows))
            end = next((index for index in range(sent, limit) if rows[index].t_s > due_s), limit)
            batch = rows[sent : max(sent + 1, end)]
            await device.send([_sample(row, ends - timedelta(seconds=rows[-1].t_s - row.t_s)) for row in batch])
            sent += len(batch)
            if loop.time() - reported_s >= 5:
                reported_s = loop.time()
                progress(f"{device.device_id}: {sent} of {len(rows)} samples sent, {device.tally.stored} stored")
        await device.flush()
    progress(f"{device.device_id}: {_as_text(device.tally)}")
    return device.tally


def _as_text(tally: Tally) -> str:
    return ", ".join(f"{value} {name}" for name, value in msgspec.structs.asdict(tally).items())


def _sample(row: Row, timestamp: datetime) -> SensorSample:
    return SensorSample(hr=row.hr, temp=row.temp, eda=row.eda, timestamp=timestamp.isoformat())
