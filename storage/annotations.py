"""Annotations: labels on spans of a device's time. All functions are synchronous and take a connection."""

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select

from storage.tables import Annotation


class NewAnnotation(NamedTuple):
    """A label for a span of a device's time; without `end` an instant, or a span that still lasts."""

    device_id: str
    start: datetime
    end: datetime | None
    label: str
    note: str | None
    source: str
    login: str | None
    created_at: datetime


class StoredAnnotation(NamedTuple):
    """An annotation with its id."""

    id: int
    annotation: NewAnnotation


_COLUMNS = tuple(getattr(Annotation, name) for name in NewAnnotation._fields)


def add_annotation(connection: Connection, annotation: NewAnnotation) -> int:
    """Store an annotation and return its id."""
    return connection.execute(insert(Annotation).values(annotation._asdict()).returning(Annotation.id)).scalar_one()


def annotations(
    connection: Connection, limit: int, before_id: int | None, only: Collection[str] | None
) -> list[StoredAnnotation]:
    """Return annotations, newest first, `only` of these devices; `before_id`: those before an earlier page's last."""
    query = select(Annotation.id, *_COLUMNS).order_by(Annotation.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(Annotation.id < before_id)
    if only is not None:
        query = query.where(Annotation.device_id.in_(sorted(only)))
    return [StoredAnnotation(row[0], NewAnnotation(*row[1:])) for row in connection.execute(query)]


def labelled_spans(connection: Connection, only: Collection[str] | None) -> list[StoredAnnotation]:
    """Return all annotations by device and start, `only` of these devices."""
    query = select(Annotation.id, *_COLUMNS).order_by(Annotation.device_id, Annotation.start, Annotation.id)
    if only is not None:
        query = query.where(Annotation.device_id.in_(sorted(only)))
    return [StoredAnnotation(row[0], NewAnnotation(*row[1:])) for row in connection.execute(query)]


def annotation(connection: Connection, annotation_id: int) -> StoredAnnotation | None:
    """Return an annotation; None if there is none of this id."""
    row = connection.execute(select(Annotation.id, *_COLUMNS).where(Annotation.id == annotation_id)).one_or_none()
    return None if row is None else StoredAnnotation(row[0], NewAnnotation(*row[1:]))


def delete_annotation(connection: Connection, annotation_id: int) -> None:
    """Delete an annotation."""
    connection.execute(delete(Annotation).where(Annotation.id == annotation_id))
