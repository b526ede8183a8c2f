"""The table that `make faults` prints."""

from collections.abc import Iterator

from msgspec import Struct, structs

from tests.system.faults.ledger import Fleet, Key


class Row(Struct):
    """One fault under one load, over `runs` runs. `lost` was acknowledged and is not stored, `doubled` is stored twice."""

    fault: str
    load: str
    runs: int = 0
    sent: int = 0
    acknowledged: int = 0
    stored: int = 0
    lost: int = 0
    doubled: int = 0

    def add(self, fleet: Fleet, promised: set[Key], before: dict[Key, int], after: dict[Key, int]) -> None:
        """One more run. `promised`: acknowledged when the fault was over; `before` and `after` all was sent again: how
        often each key was stored.
        """
        self.runs += 1
        self.sent += fleet.sent
        self.acknowledged += len(promised)
        self.stored += len(after)
        self.lost += len(promised - before.keys()) + len(fleet.everything - after.keys())
        self.doubled += sum(count > 1 for count in after.values())


class Report:
    """The rows of a session."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def row(self, fault: str, load: str) -> Row:
        self.rows.append(Row(fault, load))
        return self.rows[-1]

    def lines(self) -> Iterator[str]:
        """As a Markdown table."""
        names = [field.name for field in structs.fields(Row)]
        yield "| " + " | ".join(names) + " |"
        yield "|" + " --- |" * len(names)
        for row in self.rows:
            yield "| " + " | ".join(str(getattr(row, name)) for name in names) + " |"
