"""Values and rows of a recording that were not taken as they stand, to be told at the end."""

from dataclasses import dataclass

from broker.contract import RANGES
from broker.contract.no_contact import is_no_contact


@dataclass
class _Count:
    count: int
    line: int
    cell: str


class LeftOut:
    """Counts the values of a file that were taken as no contact, and rows that were joined."""

    def __init__(self) -> None:
        # By the channel, and apart from that with the range: a sensor's own sign is no surprise.
        self._counts: dict[str, _Count] = {}
        self.joined = 0
        """Rows of an export that are one sample with another, of the same device and time."""

    def add(self, channel: str, number: float, cell: str, line: int) -> None:
        """Count a value outside the range of `hr`, `temp` or `eda`; `cell` is its text."""
        what = channel if is_no_contact(channel, number) else f"{channel} outside {RANGES[channel]}"
        found = self._counts.setdefault(what, _Count(0, line, cell.strip()))
        found.count += 1

    def lines(self) -> list[str]:
        """Return a line for each kind, such as `taken as no contact: 12 of hr, the first in line 3: 0`."""
        lines = [
            f"taken as no contact: {found.count} of {what}, the first in line {found.line}: {found.cell}"
            for what, found in self._counts.items()
        ]
        if self.joined:
            lines.append(f"taken as one sample with another of the same device and time: {self.joined} of the rows")
        return lines
