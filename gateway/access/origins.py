"""Origins that are allowed (CORS).

Pages may use the gateway if they are its own, on loopback, or named in the settings.
"""

from collections.abc import Collection

from broker.authority import Authority, Origin, is_opaque_origin, origin_of, parse_origin
from gateway.public_url import PublicUrl

ANY = "*"


class Origins:
    """An allow-list.

    Args:
        allowed: origins such as ``https://lab.example``, those of applications, or ``*`` for all.
        public: where a proxy serves the gateway's own pages; None: where the Host header says.
    """

    def __init__(self, allowed: Collection[str], public: PublicUrl | None = None) -> None:
        own = frozenset() if public is None else frozenset({public.origin})
        self._any = ANY in allowed
        self._opaque = frozenset(filter(is_opaque_origin, allowed))
        named = (parse_origin(origin.rstrip("/")) for origin in allowed if origin not in {ANY, *self._opaque})
        self._own = own
        self._allowed = own.union(named)

    def include(self, host: Authority) -> bool:
        """Return True if an allowed page, or any page, may come from `host`."""
        return self._any or any(_is_at(page, host) for page in self._allowed)

    def allows(self, origin: str | None, host: Authority | None) -> bool:
        """Return True if a page from `origin` may use the gateway at `host`. No origin: it is no page."""
        if origin is None or self._any or origin in self._opaque:
            return True
        page = _read(origin)
        if page is None:
            return False
        return page in self._allowed or page.authority.loopback or _is_at(page, host)

    def is_own(self, origin: str, host: Authority | None) -> bool:
        """Return True if a page is the gateway's own: its origin is the public one, or the Host that it asks."""
        page = _read(origin)
        return page is not None and (page in self._own or _is_at(page, host))


def _read(origin: str) -> Origin | None:
    try:
        return parse_origin(origin)
    except ValueError:
        return None


def _is_at(page: Origin, host: Authority | None) -> bool:
    """Return True if a page came from this Host, over HTTP or HTTPS; either may leave out the default port."""
    return host is not None and page.scheme in ("http", "https") and page == origin_of(page.scheme, host)
