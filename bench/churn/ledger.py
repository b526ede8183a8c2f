"""What was sent, what was acknowledged, and whether the record has it once. No I/O."""

import hashlib
from array import array
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from broker.contract import STAMP

Key = tuple[str, str, int]
"""As in the record: a device, a boot and a number."""
_ACKNOWLEDGED: Final = 1
_STAMP_DIGITS: Final = 31


class Account(Struct, frozen=True):
    """Samples. `strange` are rows with a key under which nothing was sent."""

    sent: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    strange: int

    @property
    def clean(self) -> bool:
        """Whether all that was acknowledged is there once, and nothing else is."""
        return not (self.lost or self.doubled or self.strange)


class Stream:
    """What one device sends over one transport; with `idempotent` the key is a header's and not the sample's own.

    A sample has the same bytes whenever it is sent.
    """

    def __init__(self, ledger: "Ledger", device: str, boot: str, *, idempotent: bool = False) -> None:
        self.device = device
        self.boot = boot
        self.idempotent = idempotent
        self._ledger = ledger
        self._states = bytearray()

    def __len__(self) -> int:
        return len(self._states)

    def next(self) -> int:
        """The number of a sample that is about to be sent."""
        self._states.append(0)
        self._ledger.sent += 1
        return len(self._states) - 1

    def acknowledge(self, number: int) -> None:
        """It was said to be stored; a second time is as good."""
        if not self._states[number]:
            self._states[number] = _ACKNOWLEDGED
            self._ledger.acknowledged += 1

    def acknowledged(self, number: int) -> bool:
        """Whether it was said to be stored."""
        return bool(self._states[number])

    def sample(self, number: int) -> str:
        """JSON."""
        values = f'"hr":{60 + number % 40},"temp":{33 + number % 9 / 10:.1f},"eda":{0.2 + number % 7 / 10:.1f}'
        key = "" if self.idempotent else f',"boot":"{self.boot}","seq":{number}'
        return f'{{{values},"device_id":"{self.device}"{key}}}'

    def header(self, number: int) -> str:
        """The value of the `Idempotency-Key`."""
        return f"{self.boot}-{number}"

    def key(self, number: int) -> Key:
        """Under which the record has it."""
        if not self.idempotent:
            return self.device, self.boot, number
        digest = hashlib.sha256(f"{self.device}\0{self.header(number)}".encode()).hexdigest()
        return self.device, STAMP + digest[:_STAMP_DIGITS], 0


class Ledger:
    """All streams."""

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0
        self._streams: list[Stream] = []

    def stream(self, device: str, boot: str, *, idempotent: bool = False) -> Stream:
        """A new one; no other stream has its boot."""
        self._streams.append(Stream(self, device, boot, idempotent=idempotent))
        return self._streams[-1]

    def account(self, stored: Iterable[Key]) -> Account:
        """Compare with the keys of the record."""
        places = {(one.device, one.boot): (one, 0) for one in self._streams if not one.idempotent}
        for one in self._streams:
            if one.idempotent:
                places.update({one.key(number)[:2]: (one, number) for number in range(len(one))})
        found = {one: array("L", bytes(len(one) * array("L").itemsize)) for one in self._streams}
        rows = strange = 0
        for device, boot, seq in stored:
            rows += 1
            stream, first = places.get((device, boot), (None, 0))
            if stream is None or not 0 <= first + seq < len(stream) or (stream.idempotent and seq):
                strange += 1
            else:
                found[stream][first + seq] += 1
        lost = sum(one.acknowledged(number) and not times for one in found for number, times in enumerate(found[one]))
        doubled = sum(max(0, times - 1) for counts in found.values() for times in counts)
        return Account(self.sent, self.acknowledged, rows, lost, doubled, strange)
