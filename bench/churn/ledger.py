"""Ledger of the samples sent and acknowledged, and its comparison with the stored ones. No I/O."""

import hashlib
from array import array
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from broker.contract import STAMP

Key = tuple[str, str, int]
"""Key of a stored reading: device, boot and number."""
_ACKNOWLEDGED: Final = 1
_STAMP_DIGITS: Final = 31


class Account(Struct, frozen=True):
    """Counts of samples. `strange` are rows with a key that was never sent."""

    sent: int
    acknowledged: int
    stored: int
    lost: int
    doubled: int
    strange: int

    @property
    def clean(self) -> bool:
        """True if every acknowledged sample is stored once, and no other row exists."""
        return not (self.lost or self.doubled or self.strange)


class Stream:
    """Samples of one device over one transport; with `idempotent` their keys are in a header instead of the sample.

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
        """Count a sample that is about to be sent, and return its number."""
        self._states.append(0)
        self._ledger.sent += 1
        return len(self._states) - 1

    def acknowledge(self, number: int) -> None:
        """Note that a sample was acknowledged; a repetition has no effect."""
        if not self._states[number]:
            self._states[number] = _ACKNOWLEDGED
            self._ledger.acknowledged += 1

    def acknowledged(self, number: int) -> bool:
        """Return true if the sample was acknowledged."""
        return bool(self._states[number])

    def sample(self, number: int) -> str:
        """Return a sample as JSON."""
        values = f'"hr":{60 + number % 40},"temp":{33 + number % 9 / 10:.1f},"eda":{0.2 + number % 7 / 10:.1f}'
        key = "" if self.idempotent else f',"boot":"{self.boot}","seq":{number}'
        return f'{{{values},"device_id":"{self.device}"{key}}}'

    def header(self, number: int) -> str:
        """Return the value of the `Idempotency-Key` header for a sample."""
        return f"{self.boot}-{number}"

    def key(self, number: int) -> Key:
        """Return the key under which a sample is stored."""
        if not self.idempotent:
            return self.device, self.boot, number
        digest = hashlib.sha256(f"{self.device}\0{self.header(number)}".encode()).hexdigest()
        return self.device, STAMP + digest[:_STAMP_DIGITS], 0


class Ledger:
    """Streams of all devices and transports."""

    def __init__(self) -> None:
        self.sent = 0
        self.acknowledged = 0
        self._streams: list[Stream] = []

    def stream(self, device: str, boot: str, *, idempotent: bool = False) -> Stream:
        """Add and return a stream; its boot must be unique."""
        self._streams.append(Stream(self, device, boot, idempotent=idempotent))
        return self._streams[-1]

    def account(self, stored: Iterable[Key]) -> Account:
        """Compare the ledger with the keys of the stored readings."""
        origins = {(stream.device, stream.boot): (stream, 0) for stream in self._streams if not stream.idempotent}
        for stream in self._streams:
            if stream.idempotent:
                origins.update({stream.key(number)[:2]: (stream, number) for number in range(len(stream))})
        copies = {stream: array("L", bytes(len(stream) * array("L").itemsize)) for stream in self._streams}
        rows = strange = 0
        for device, boot, seq in stored:
            rows += 1
            origin, first = origins.get((device, boot), (None, 0))
            if origin is None or not 0 <= first + seq < len(origin) or (origin.idempotent and seq):
                strange += 1
            else:
                copies[origin][first + seq] += 1
        lost = sum(
            stream.acknowledged(number) and not times
            for stream, counts in copies.items()
            for number, times in enumerate(counts)
        )
        doubled = sum(max(0, times - 1) for counts in copies.values() for times in counts)
        return Account(self.sent, self.acknowledged, rows, lost, doubled, strange)
