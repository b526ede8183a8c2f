#!/usr/bin/env bash
# Guess: pyxdf gives each sample of an XDF file the time that the recorder wrote beside it, give or take some milliseconds of
# jitter; a minute without data stays a minute without data (`jitter_break_threshold_seconds` is 1).
# Seen (pyxdf 1.17.5): a stream at 4 Hz with a pause of 60 s comes without a pause. The recording begins 15 s before its first
# sample, ends 15 s after its last, and stamps are up to 30 s wrong: the pause must be longer than the seconds AND than 500
# samples, which at 4 Hz are 125 s. With `jitter_break_threshold_samples=4` the same file comes right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir pyxdf==1.17.5 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import logging
import struct
from pathlib import Path

import pyxdf

STAMPS = [1000 + k / 4 for k in range(600)] + [1210 + k / 4 for k in range(600)]
HEADER = (
    "<?xml version='1.0'?><info><name>band</name><type>EDA</type><channel_count>1</channel_count>"
    "<nominal_srate>4</nominal_srate><channel_format>float32</channel_format></info>"
)


def chunk(tag: int, *parts: bytes) -> bytes:
    content = struct.pack("<H", tag) + b"".join(parts)
    return struct.pack("<BI", 4, len(content)) + content


stream = struct.pack("<I", 1)
samples = b"".join(struct.pack("<Bdf", 8, stamp, 1.0) for stamp in STAMPS)  # each with its time
Path("pause.xdf").write_bytes(
    b"XDF:"
    + chunk(1, b"<?xml version='1.0'?><info><version>1.0</version></info>")
    + chunk(2, stream, HEADER.encode())
    + chunk(3, stream, struct.pack("<BI", 4, len(STAMPS)), samples)
    + chunk(6, stream, b"<?xml version='1.0'?><info><sample_count>1200</sample_count></info>")
)


def off_s(**options: int) -> tuple[float, float, float]:
    """How far the first and the last stamp are off, and the worst."""
    streams, _ = pyxdf.load_xdf("pause.xdf", **options)
    off = [found - right for found, right in zip(streams[0]["time_stamps"], STAMPS, strict=True)]
    return round(float(off[0]), 1) + 0.0, round(float(off[-1]), 1) + 0.0, round(float(max(map(abs, off))), 1)


logging.disable(logging.WARNING)
by_default, with_samples = off_s(), off_s(jitter_break_threshold_samples=4)
print("(first, last, worst) off, seconds, by default:", by_default)
print("(first, last, worst) off, seconds, jitter_break_threshold_samples=4:", with_samples)
assert by_default == (-15.0, 15.0, 30.0), "this has changed"
assert with_samples == (0.0, 0.0, 0.0), "this has changed"
PY
