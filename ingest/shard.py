"""The devices that an ingest serves, if several share them."""

import re
from hashlib import sha256
from typing import Final, NamedTuple

GROUP: Final = "stresswire"
"""Name of the shared subscription."""
_PART: Final = re.compile(r"([0-9]{1,4})/([0-9]{1,4})")
_MEMBER: Final = re.compile(r"shared:([A-Za-z0-9_-]{1,32})")


class Shard(NamedTuple):
    """Part `part` of `parts` by a hash of the device id, which never changes; or, with a `member` name, what the
    broker's shared subscription gives to this member: all messages of a device must go to one member.
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
        """The group of the shared subscription; None if it is not shared."""
        return None if self.member is None else GROUP

    @property
    def client_id(self) -> str:
        """The client identifier of the persistent session, unique on a broker."""
        if self.member is not None:
            return f"stresswire-ingest-{self.member}"
        return "stresswire-ingest" if self.parts == 1 else f"stresswire-ingest-{self.part}-of-{self.parts}"

    def owns(self, device_id: str) -> bool:
        """Tell if a device belongs to this shard."""
        if self.parts == 1:
            return True
        return int.from_bytes(sha256(device_id.encode()).digest()[:8]) % self.parts == self.part - 1
