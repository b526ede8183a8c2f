#!/usr/bin/env bash
# Guess: fitdecode gives the beats of a chest strap (FIT messages `hr`, packed times `event_timestamp_12`) their right times, as
# it gives them as datetimes with a zone.
# Seen (fitdecode 0.11.0; Garmin's garmin-fit-sdk 21.218.0 as the yardstick): they are off by up to 4 s, by an amount that
# differs from file to file: to the base time fitdecode adds the first beat's packed value as it is (12 bits: the strap's
# counter modulo 4 s), not what the counter has gone on since the base. The SDK gives the counter itself (5003.375 and so on),
# whose distance from the base's counter (5002.5) is the time.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir fitdecode==0.11.0 garmin-fit-sdk==21.218.0
"$folder/venv/bin/python" - <<'PY'
import datetime
import struct

import fitdecode
from garmin_fit_sdk import Decoder, Stream

BASE_TIME = 1_000_000_000
"""Seconds since 1989-12-31, UTC: when the strap's counter stands at one of `COUNTERS_S`."""
COUNTERS_S = (5000.0, 5002.5, 5003.75)
BEATS_S = [0.875 * k for k in range(1, 9)]
FILE_ID, HR = 0, 132
UINT8, BYTE, ENUM, UINT16, UINT32 = 0x02, 0x0D, 0x00, 0x84, 0x86


def checksum(data: bytes) -> bytes:
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)


def define(local: int, number: int, *fields: tuple[int, int, int]) -> bytes:
    return struct.pack("<BBBHB", 0x40 | local, 0, 0, number, len(fields)) + b"".join(bytes(field) for field in fields)


def packed(counts: list[int]) -> bytes:
    """Two of 12 bits in three bytes."""
    pairs = zip(counts[::2], counts[1::2], strict=True)
    return b"".join(struct.pack("<I", first & 0xFFF | (second & 0xFFF) << 12)[:3] for first, second in pairs)


def strap(counter_s: float) -> bytes:
    """A file of a strap: where its counter stands, then eight beats."""
    body = (
        define(0, FILE_ID, (0, 1, ENUM), (1, 2, UINT16), (4, 4, UINT32))
        + struct.pack("<BBHI", 0, 4, 1, BASE_TIME)
        # timestamp, fractional_timestamp, filtered_bpm, event_timestamp
        + define(1, HR, (253, 4, UINT32), (0, 2, UINT16), (6, 1, UINT8), (9, 4, UINT32))
        + struct.pack("<BIHBI", 1, BASE_TIME, 0, 70, int(counter_s * 1024))
        # filtered_bpm, event_timestamp_12
        + define(2, HR, (6, 8, UINT8), (10, 12, BYTE))
        + bytes((2, *[70] * 8))
        + packed([int((counter_s + beat_s) * 1024) for beat_s in BEATS_S])
    )
    header = struct.pack("<BBHI4s", 14, 0x20, 2140, len(body), b".FIT")
    file = header + checksum(header) + body
    return file + checksum(file)


def off_s(counter_s: float) -> set[float]:
    """How late (negative: early) the beats are in fitdecode; checks that they are right in the SDK."""
    file = strap(counter_s)
    messages, errors = Decoder(Stream.from_byte_array(bytearray(file))).read(merge_heart_rates=False)
    counts_s = messages["hr_mesgs"][1]["event_timestamp"]
    assert ([count_s - counter_s for count_s in counts_s], errors) == (BEATS_S, []), "the SDK has changed"
    base = datetime.datetime(1989, 12, 31, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=BASE_TIME)
    *_, last = (frame for frame in fitdecode.FitReader(file) if isinstance(frame, fitdecode.FitDataMessage))
    times = [field.value for field in last.fields if field.name == "event_timestamp"]
    return {(time - base).total_seconds() - beat_s for time, beat_s in zip(times, BEATS_S, strict=True)}


off = {counter_s: off_s(counter_s) for counter_s in COUNTERS_S}
print("the strap's counter, seconds: how late fitdecode's beats are, seconds:", off)
assert off == {5000.0: {0.0}, 5002.5: {2.5}, 5003.75: {-0.25}}, "this has changed"
PY
