"""Which web pages may talk to the gateway: its own, those on loopback, and those that the settings name."""

from collections.abc import Collection
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Origins:
    """An allow-list; `allowed` are origins such as ``https://lab.example``, or ``*`` for all."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(origin.rstrip("/") for origin in allowed)

    def allow(self, origin: str | None, host: str | None) -> bool:
        """Whether a page from `origin` may read answers; `host` is the Host header. No origin: not a page."""
        if origin is None or "*" in self._allowed or origin in self._allowed:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return parts.hostname in _LOOPBACK or (bool(parts.netloc) and parts.netloc == host)
