"""Which web pages may talk to the gateway: its own, those on loopback, and those that the settings name."""

from collections.abc import Collection

from broker.authority import Authority, Origin, is_opaque_origin, origin_of, parse_origin

ANY = "*"


class Origins:
    """An allow-list; `allowed` are origins such as ``https://lab.example``, those of applications, or ``*`` for all.

    `loopback`: the listener is for this machine only, so a page whose name was made to point here is refused too (DNS
    rebinding).
    """

    def __init__(self, allowed: Collection[str], *, loopback: bool) -> None:
        self._any = ANY in allowed
        self._opaque = frozenset(filter(is_opaque_origin, allowed))
        self._allowed = frozenset(parse_origin(one.rstrip("/")) for one in allowed if one not in {ANY, *self._opaque})
        self._loopback = loopback

    def serve(self, host: Authority | None) -> bool:
        """Whether a request with this Host header is meant for us; None: it has none, so no browser sent it."""
        if not self._loopback or self._any or host is None or host.loopback:
            return True
        return any(_is_at(page, host) for page in self._allowed)

    def allow(self, origin: str | None, host: Authority | None) -> bool:
        """Whether a page from `origin` may read answers; `host` is what the Host header says. No origin: not a page."""
        if origin is None or self._any or origin in self._opaque:
            return True
        page = _read(origin)
        if page is None:
            return False
        return page in self._allowed or page.authority.loopback or _is_at(page, host)

    def own(self, origin: str, host: Authority | None) -> bool:
        """Whether a page is one of ours: it came from where the Host header says that we are."""
        page = _read(origin)
        return page is not None and _is_at(page, host)


def _read(origin: str) -> Origin | None:
    try:
        return parse_origin(origin)
    except ValueError:
        return None


def _is_at(page: Origin, host: Authority | None) -> bool:
    """Whether a page came from this Host, over HTTP or HTTPS; either may leave out the port that is usual there."""
    return host is not None and page.scheme in ("http", "https") and page == origin_of(page.scheme, host)
