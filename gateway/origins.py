"""Which web pages may talk to the gateway: its own, those on loopback, and those that the settings name."""

from collections.abc import Collection
from urllib.parse import urlsplit

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Origins:
    """An allow-list; `allowed` are origins such as ``https://lab.example``, or ``*`` for all.

    `loopback`: the listener is for this machine only, so a page whose name was made to point here is refused too.
    """

    def __init__(self, allowed: Collection[str], *, loopback: bool) -> None:
        self._allowed = frozenset(origin.rstrip("/") for origin in allowed)
        self._loopback = loopback

    def serve(self, host: str | None) -> bool:
        """Whether a request to this Host header is meant for us."""
        if not self._loopback or "*" in self._allowed or host is None or is_loopback(host):
            return True
        return any(urlsplit(origin).netloc == host for origin in self._allowed)

    def allow(self, origin: str | None, host: str | None) -> bool:
        """Whether a page from `origin` may read answers; `host` is the Host header. No origin: not a page."""
        if origin is None or "*" in self._allowed or origin in self._allowed:
            return True
        return _name(origin) in _LOOPBACK or self.own(origin, host)

    def own(self, origin: str, host: str | None) -> bool:
        """Whether a page is one of ours."""
        return host is not None and origin in (f"http://{host}", f"https://{host}")


def is_loopback(host: str) -> bool:
    """Whether a Host header names this machine itself."""
    return _name(f"//{host}") in _LOOPBACK


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
