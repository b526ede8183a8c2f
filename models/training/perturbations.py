"""The same recordings as other devices would have measured them: more seldom, more noisily, more coarsely."""

import random
from collections.abc import Callable
from typing import Final

from models.recordings import Recording, Row

HR_NOISE_BPM: Final = 2.0
EDA_NOISE_US: Final = 0.01
TEMP_NOISE_C: Final = 0.05


def _every(count: int) -> Callable[[Recording], Recording]:
    return lambda recording: recording._replace(rows=recording.rows[::count])


def _row_by_row(change: Callable[[Row, random.Random], Row]) -> Callable[[Recording], Recording]:
    def changed(recording: Recording) -> Recording:
        # Seeded by the name, so that the same data gives the same card.
        chance = random.Random(recording.name)  # noqa: S311 - sensor noise, not a secret
        return recording._replace(rows=[change(row, chance) for row in recording.rows])

    return changed


def _mapped(value: float | None, change: Callable[[float], float]) -> float | None:
    return None if value is None else change(value)


def _noisy(row: Row, chance: random.Random) -> Row:
    hr, temp, eda = (chance.gauss(0, sd) for sd in (HR_NOISE_BPM, TEMP_NOISE_C, EDA_NOISE_US))
    return row._replace(
        hr=_mapped(row.hr, lambda v: v + hr),
        temp=_mapped(row.temp, lambda v: v + temp),
        eda=_mapped(row.eda, lambda v: max(0.0, v + eda)),
    )


def _coarse(row: Row, _: random.Random) -> Row:
    return row._replace(
        hr=_mapped(row.hr, lambda v: float(round(v))),
        temp=_mapped(row.temp, lambda v: round(v, 1)),
        eda=_mapped(row.eda, lambda v: round(v, 2)),
    )


def _weak(row: Row, _: random.Random) -> Row:
    return row._replace(eda=_mapped(row.eda, lambda v: v / 3))


OTHER_SENSORS: Final[dict[str, Callable[[Recording], Recording]]] = {
    "as recorded, 1 Hz": _every(1),
    "0.5 Hz": _every(2),
    "0.2 Hz": _every(5),
    f"noise of {HR_NOISE_BPM:g} bpm, {TEMP_NOISE_C:g} degrees, {EDA_NOISE_US:g} uS on every sample": _row_by_row(_noisy),
    "whole bpm, tenths of a degree, hundredths of a uS": _row_by_row(_coarse),
    "electrodes that conduct a third": _row_by_row(_weak),
}
