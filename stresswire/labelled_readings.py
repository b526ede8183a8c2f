"""One's own labelled record: the readings of the database, with the labels that people gave them."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Row as Found

from models.errors import ModelError
from models.recordings import Recording, Row
from models.training.adaptation import NO_SPAN, Labelled, label_of
from storage.annotations import NewAnnotation, StoredAnnotation, labelled_spans
from storage.database import Database
from storage.readings import readings_between

BEFORE: Final = timedelta(hours=1)
"""So much of the record before the first label is read as well: a baseline needs a past."""
MOMENT: Final = timedelta(minutes=2)
"""An annotation of an instant labels so much time before it."""


def labelled_readings(database: Database, devices: Sequence[str]) -> list[Labelled]:
    """Return the labelled readings of `devices`, or of all. Raises ModelError if no label is of stress or calm."""
    with database.reading() as connection:
        rows = labelled_spans(connection, frozenset(devices) or None)
        spans = [row for row in rows if label_of(row.annotation.label) is not None]
        if not spans:
            other = ", ".join(sorted({row.annotation.label for row in rows})[:5])
            raise ModelError(f"the record has no annotations such as stress or calm{f'; it has {other}' if other else ''}")
        found = []
        for device_id, own in groupby(spans, key=lambda row: row.annotation.device_id):
            labelled = list(own)
            start, end = min(_start(row.annotation) for row in labelled), max(_end(row.annotation) for row in labelled)
            found.append(_labelled(device_id, labelled, readings_between(connection, device_id, start - BEFORE, end)))
    return [one for one in found if one.recording.rows]


def _start(annotation: NewAnnotation) -> datetime:
    return annotation.start - MOMENT if annotation.end is None else annotation.start


def _end(annotation: NewAnnotation) -> datetime:
    return annotation.start if annotation.end is None else annotation.end


def _labelled(device_id: str, spans: Sequence[StoredAnnotation], readings: Sequence[Found[Any]]) -> Labelled:
    """The readings with their labels; of two annotations that overlap the one that began later counts."""
    rows: list[Row] = []
    for timestamp, hr, temp, eda in map(tuple, readings):
        t_s = timestamp.timestamp()
        # Of readings at the same instant one can be told from the next by the order of arrival only: the first counts.
        if not rows or t_s > rows[-1].t_s:
            rows.append(Row(device_id, str(t_s), t_s, hr, temp, eda, None, ""))
    times, numbers = [row.t_s for row in rows], [NO_SPAN] * len(rows)
    for span in sorted(spans, key=lambda row: (row.annotation.start, row.id)):
        first, last = (
            bisect_left(times, _start(span.annotation).timestamp()),
            bisect_right(times, _end(span.annotation).timestamp()),
        )
        label = label_of(span.annotation.label)
        rows[first:last] = [row._replace(label=label) for row in rows[first:last]]
        numbers[first:last] = [span.id] * max(0, last - first)
    return Labelled(Recording(device_id, "", rows), numbers)
