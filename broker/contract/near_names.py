"""Names that people give to the fields of a sample, and the fields that they mean. Recordings have them too. Pure."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from broker.contract.near_words import nearest

_NAMES: Final = {
    "hr": "HR heart_rate heart_rate_bpm hr_bpm bpm pulse pulse_rate beats_per_minute bvp_hr",
    "temp": "TEMP temperature temp_c temperature_c celsius skin_temp skin_temperature skt tmp body_temp body_temperature",
    "eda": "EDA eda_us gsr gsr_us skin_conductance conductance electrodermal electrodermal_activity sc scl",
    "timestamp": "TIMESTAMP timestamp_ms time time_ms ts date_time unix unix_time epoch epoch_ms recorded_at created_at",
    "uptime_ms": "UPTIME_MS uptime uptime_s millis",
    "boot": "BOOT boot_id",
    "seq": "SEQ sequence sequence_number seq_no seq_id",
    "device_id": "DEVICE_ID device device_name sensor_id",
}
_LEAST: Final = 4
"""Letters of a name that may be misspelt; of a shorter one too many other words are near."""
_NEAR: Final = 0.85
_MOST: Final = 64
"""Names that are looked at; a sample has eight."""
_KEY: Final = re.compile(rb'"([A-Za-z][A-Za-z0-9_ ().-]{1,31})"\s*:')


def _bare(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


_MEANT: Final = {_bare(name): field for field, names in _NAMES.items() for name in names.split()}


def meant_field(name: str) -> str | None:
    """Return the field of a sample that a name most likely stands for, or None; a field's own name stands for it too."""
    bare = _bare(name)
    if bare in _MEANT or len(bare) < _LEAST:
        return _MEANT.get(bare)
    return nearest(bare, _MEANT, _NEAR)


def near_names(text: bytes) -> Mapping[str, str]:
    """Return the names in a sample's JSON that are no fields but nearly: field to name, the first of each field."""
    return _near(tuple(_KEY.findall(text)[:_MOST]))


@lru_cache(maxsize=256)
def _near(keys: tuple[bytes, ...]) -> Mapping[str, str]:
    """Remembered, since a device sends the same names each time."""
    found: dict[str, str] = {}
    for key in keys:
        name = key.decode()
        field = meant_field(name)
        if field is not None and field != name:
            found.setdefault(field, name)
    return found
