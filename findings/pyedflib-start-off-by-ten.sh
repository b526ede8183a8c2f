#!/usr/bin/env bash
# Guess: pyEDFlib keeps the microseconds of an EDF+ file's start, which `setStartdatetime` takes and `getStartdatetime` gives.
# Seen (pyEDFlib 0.1.42; edfio 0.4.18 as the yardstick): it is off by a factor of ten both ways. A start at .050 s is written as
# .5 s, one from .1 s on without a fraction; a file that begins at .25 s is read as .025 s. What it wrote below .1 s it reads
# back as it was, so a test against itself does not show it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
  pyEDFlib==0.1.42 edfio==0.4.18 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import datetime
import re
import warnings
from pathlib import Path

import edfio
import numpy as np
import pyedflib

EDA = np.ones(40)
SIGNAL = {
    "label": "EDA",
    "dimension": "uS",
    "sample_frequency": 4,
    "physical_min": 0,
    "physical_max": 100,
    "digital_min": -32768,
    "digital_max": 32767,
    "transducer": "",
    "prefilter": "",
}


def written_by_pyedflib(microsecond: int) -> tuple[str, int]:
    """The fraction in the first time-stamped annotation of the file, and what pyEDFlib reads of it, microseconds."""
    with pyedflib.EdfWriter("pyedflib.edf", 1, file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        writer.setSignalHeaders([SIGNAL])
        writer.setStartdatetime(datetime.datetime(2024, 3, 1, 8, 0, 0, microsecond))
        writer.writeSamples([EDA])
    with pyedflib.EdfReader("pyedflib.edf") as reader:
        read = reader.getStartdatetime().microsecond
    return re.search(rb"\+(0[.0-9]*)\x14\x14", Path("pyedflib.edf").read_bytes())[1].decode(), read


def written_by_edfio(microsecond: int) -> tuple[int, int]:
    """What edfio and what pyEDFlib read of a file that edfio wrote, microseconds."""
    signal = edfio.EdfSignal(EDA, 4, label="EDA", physical_dimension="uS", physical_range=(0, 100))
    recording = edfio.Recording(startdate=datetime.date(2024, 3, 1))
    edfio.Edf([signal], recording=recording, starttime=datetime.time(8, 0, 0, microsecond)).write("edfio.edf")
    with pyedflib.EdfReader("edfio.edf") as reader:
        return edfio.read_edf("edfio.edf").starttime.microsecond, reader.getStartdatetime().microsecond


warnings.simplefilter("ignore")
written = {microsecond: written_by_pyedflib(microsecond) for microsecond in (50_000, 250_000)}
read = written_by_edfio(250_000)
print("pyEDFlib wrote, microseconds: (in the file, read back):", written)
print("250000 microseconds by edfio: (edfio reads, pyEDFlib reads):", read)
assert float(written[50_000][0]) == 0.5 and written[50_000][1] == 50_000, "this has changed"
assert float(written[250_000][0]) == 0 and written[250_000][1] == 0, "this has changed"
assert read == (250_000, 25_000), "this has changed"
PY
