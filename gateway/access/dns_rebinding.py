"""Protection against DNS rebinding.

A page of another host may make its own name resolve to 127.0.0.1, and then reads what a listener on loopback answers as if
it came from that host. The browser still sends that name as Host: so a listener on loopback answers only if the Host is
loopback too, or is named in the settings.
"""

from broker.authority import Authority
from gateway.access.origins import Origins


class HostCheck:
    """Tell requests for this gateway from DNS rebinding.

    Args:
        origins: their hosts are served too.
        loopback: only this machine reaches the listener. Any other listener has names that the gateway cannot know.
    """

    def __init__(self, origins: Origins, *, loopback: bool) -> None:
        self._origins = origins
        self._loopback = loopback

    def serves(self, host: Authority | None) -> bool:
        """Return False for DNS rebinding. None: there is no Host header, so that no browser sent the request."""
        return not self._loopback or host is None or host.loopback or self._origins.include(host)
