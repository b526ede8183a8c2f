"""The address of the gateway's first page as browsers reach it, where a reverse proxy stands before the listener."""

import re
from typing import Final, Self

from msgspec import Struct

from broker.authority import Origin, origin_of, parse_authority

_EXAMPLE: Final = "https://lab.example/stress"
_URL: Final = re.compile(r"(https?)://([^/?#]*)([^?#]*)(.*)", re.DOTALL)
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_DOTS: Final = re.compile(r"/\.{1,2}(/|$)")


class PublicUrl(Struct, frozen=True):
    """An origin and a path, which begins and ends with a slash. The proxy takes the path away before it asks."""

    origin: Origin
    path: str = "/"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read such as ``https://lab.example/stress``, with or without a slash at the end.

        Raises `ValueError` that says what is wrong; it never repeats a password.
        """
        found = _URL.fullmatch(text)
        if found is None:
            raise ValueError(f"must begin with http:// or https://, as in {_EXAMPLE}; got {text.rpartition('@')[2][:80]!r}")
        scheme, authority, path, more = found.groups()
        if "@" in authority:
            raise ValueError(f"must have no user name or password, as in {_EXAMPLE}")
        if more:
            raise ValueError(f"must end with the path, as in {_EXAMPLE}; got {more[:80]!r} behind it")
        if not _PATH.fullmatch(path) or _DOTS.search(path):
            raise ValueError(f"must have a path of letters, digits and - . _ ~ between single slashes, got {path[:80]!r}")
        try:
            origin = origin_of(scheme, parse_authority(authority))
        except ValueError as error:
            raise ValueError(f"must be an address such as {_EXAMPLE}; its host {error}") from error
        return cls(origin, path if path.endswith("/") else f"{path}/")

    @property
    def secure(self) -> bool:
        """True if browsers come over TLS."""
        return self.origin.scheme == "https"

    def __str__(self) -> str:
        return f"{self.origin.scheme}://{self.origin.authority}{self.path}"
