"""The names of the features, and the time constants that they are made with."""

from typing import Final

from models.features.moments import CHANGE_TAUS_S, CHANGES, CHANNELS

DIFFERENCES_S: Final = (
    (3, 30),
    (10, 60),
    (20, 120),
    (30, 300),
    (60, 300),
    (60, 600),
    (10, 300),
    (30, 1200),
    (60, 1200),
    (120, 1200),
    (300, 1200),
)
Z_TAUS_S: Final = (10, 30, 60, 120, 300)
SD_RATIO_TAUS_S: Final = (30, 60)
REST_TAUS_S: Final = (10, 30, 60, 120)
SHORT_TAUS_S: Final = CHANGE_TAUS_S[:3]
TONIC: Final = ("eda_change", "eda_rise", "scr_amplitude")


def _names() -> list[str]:
    names = [f"{channel}_{a}_{b}" for channel in CHANNELS for a, b in DIFFERENCES_S]
    names += [f"{channel}_z_{tau}" for channel in CHANNELS for tau in Z_TAUS_S]
    names += [f"{channel}_sd_{tau}" for channel in CHANNELS for tau in Z_TAUS_S]
    names += [f"{channel}_sd_ratio_{tau}" for channel in CHANNELS for tau in SD_RATIO_TAUS_S]
    names += [f"{channel}_{kind}_{tau}" for kind in ("rest", "place") for channel in CHANNELS[:2] for tau in REST_TAUS_S]
    names += [f"{channel}_range" for channel in CHANNELS[:2]]
    names += [f"{change}_{tau}" for change in CHANGES for tau in CHANGE_TAUS_S[:4]]
    names += [f"{change}_ratio_{tau}" for change in CHANGES for tau in SHORT_TAUS_S]
    names += [f"{change}_tonic_{tau}" for change in TONIC for tau in SHORT_TAUS_S]
    return names


FEATURES: Final = tuple(_names())
"""By suffix, with the time constants in seconds; skin conductance as its natural logarithm unless it says otherwise:

* `_A_B` mean over A minus mean over B; `_z_A` mean minus baseline, in standard deviations of the baseline;
* `_sd_A` standard deviation; `_sd_ratio_A` the same over that of the baseline;
* `_rest_A` mean over the level of rest; `_place_A` where that stands between rest and peak; `_range` peak minus rest;
* of a change (see `CHANGES`): `_A` its mean, `_ratio_A` that over its baseline, `_tonic_A` that over the tonic EDA.
"""


def channel_of(feature: str) -> str:
    """The one channel that a feature is made of."""
    prefix = feature.partition("_")[0]
    return prefix if prefix in ("hr", "temp") else "eda"
