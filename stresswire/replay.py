"""`stresswire replay`: publishes recordings as devices over MQTT."""

import asyncio
import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from broker.address import MqttAddress
from broker.contract import MAX_DEVICE_ID, SensorSample
from broker.contract.validation import is_device_id
from models.errors import RecordingError
from models.recordings import Recording, Row, read_recordings
from stresswire.device import Tally, connected

BATCH_S = 0.05
"""Samples that fall due within this time are sent together: beyond 20 a second, in batches."""
MAX_BATCH_SENT = 100
_DIGEST = 8

Progress = Callable[[str], None]


def choose(path: Path, subjects: Sequence[str], progress: Progress) -> list[Recording]:
    """Return the recordings of `subjects`, or all if none is given; each would be a device of its own.

    Raises:
        RecordingError: the file cannot be read, there is no such subject, or two recordings would be one device.
    """
    recordings = read_recordings(path, progress)
    known = {recording.subject for recording in recordings}
    if missing := [subject for subject in subjects if subject not in known]:
        some = ", ".join(sorted(known)[:8])
        raise RecordingError(f"{path}: no subject {missing[0]}; there are {some}{' ...' if len(known) > 8 else ''}")
    chosen = [recording for recording in recordings if not subjects or recording.subject in subjects]
    devices: dict[str, Recording] = {}
    for recording in chosen:
        other = devices.setdefault(device_id_of(recording.name), recording)
        if other is not recording:
            raise RecordingError(
                f"{path}: {_as_person(other)} and {_as_person(recording)} would both be the device "
                f"{device_id_of(recording.name)}; rename one in the file, or choose with --subject"
            )
    return chosen


def _as_person(recording: Recording) -> str:
    subject, session = recording.rows[0].stream
    return f"the subject {subject!r}" + (f" in the session {session!r}" if session else "")


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


def device_id_of(name: str) -> str:
    """Return a recording's name as a device id.

    Where that has other characters or is longer, they become ``_``, and the beginning of the name's SHA-256 follows:
    different names stay different, in whatever file they are.
    """
    if is_device_id(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{re.sub(r'[^A-Za-z0-9_:-]', '_', name)[: MAX_DEVICE_ID - _DIGEST - 1]}-{digest}"


async def _replay(
    address: MqttAddress, recording: Recording, speed: float, now: Callable[[], datetime], progress: Progress
) -> Tally:
    rows = [row for row in recording.rows if (row.hr, row.temp, row.eda) != (None, None, None)]
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    ends = now() + timedelta(seconds=(rows[-1].t_s - rows[0].t_s) / speed) if rows else now()
    reported_s = started_s
    async with connected(address, device_id_of(recording.name)) as device:
        if len(rows) < len(recording.rows):
            progress(f"{device.device_id}: {len(recording.rows) - len(rows)} rows without a value are not sent")
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
