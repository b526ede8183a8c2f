"""Which devices an ingest serves, where several share them. Pure."""

import re
from hashlib import sha256
from typing import Final, NamedTuple

GROUP: Final = "stresswire"
"""Of the shared subscription."""
_PART: Final = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")
_MEMBER: Final = re.compile(r"shared:([A-Za-z0-9_-]{1,32})")


class Shard(NamedTuple):
    """Part `part` of `parts`, by a hash of the device id that never changes; or, with a `member` name, what the broker's
    shared subscription hands out: it must give all of a device to one member.
    """

    part: int = 1
    parts: int = 1
    member: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read ``2/4`` or ``shared:NAME``. Raises `ValueError`."""
        if (part := _PART.fullmatch(text)) and 1 <= int(part[1]) <= int(part[2]):
            return cls(int(part[1]), int(part[2]))
        if member := _MEMBER.fullmatch(text):
            return cls(member=member[1])
        raise ValueError(f"must be PART/PARTS, such as 2/4, or shared:NAME, got {text[:40]!r}")

    def __str__(self) -> str:
        return f"{self.part}/{self.parts}" if self.member is None else f"shared:{self.member}"

    @property
    def group(self) -> str | None:
        """Of the shared subscription, if it is one."""
        return None if self.member is None else GROUP

    @property
    def client_id(self) -> str:
        """The name of the persistent session; no two ingests on one broker may have the same."""
        if self.member is not None:
            return f"stresswire-ingest-{self.member}"
        return "stresswire-ingest" if self.parts == 1 else f"stresswire-ingest-{self.part}-of-{self.parts}"

    def owns(self, device_id: str) -> bool:
        """Whether a device is for this ingest."""
        if self.parts == 1:
            return True
        return int.from_bytes(sha256(device_id.encode()).digest()[:8]) % self.parts == self.part - 1
