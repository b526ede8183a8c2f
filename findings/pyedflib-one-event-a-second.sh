#!/usr/bin/env bash
# Guess: pyEDFlib writes every annotation that `writeAnnotation` took (it answers 0), as EDF+ has room for many in a record.
# Seen (pyEDFlib 0.1.42): it writes one for each data record, which is a second long by default. Of twenty events in ten seconds
# the last ten are missing from the file, and nothing says so. They all fit with `set_number_of_annotation_signals(2)`.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir pyEDFlib==0.1.42 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import pyedflib

EVENTS = 20
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


def events(annotation_signals: int | None) -> tuple[set[int], list[str]]:
    """What `writeAnnotation` answered, and the events that are in the file."""
    with pyedflib.EdfWriter("events.edf", 1, file_type=pyedflib.FILETYPE_EDFPLUS) as writer:
        if annotation_signals is not None:
            writer.set_number_of_annotation_signals(annotation_signals)
        writer.setSignalHeaders([SIGNAL])
        writer.writeSamples([np.ones(40)])
        answers = {writer.writeAnnotation(k / 2, -1, str(k)) for k in range(EVENTS)}
    with pyedflib.EdfReader("events.edf") as reader:
        return answers, [str(text) for text in reader.readAnnotations()[2]]


by_default, with_two = events(None), events(2)
print("(answers, in the file), by default:", by_default)
print("(answers, in the file), two annotation signals:", with_two)
assert by_default == ({0}, [str(k) for k in range(10)]), "this has changed"
assert with_two == ({0}, [str(k) for k in range(EVENTS)]), "this has changed"
PY
