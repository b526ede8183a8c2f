"""Pages that may use the gateway."""

import pytest

from broker.authority import Authority
from gateway.access.origins import Origins
from gateway.public_url import PublicUrl

HERE = Authority("gateway.example", 5000)


@pytest.mark.parametrize(
    ("origin", "allowed", "permitted", "own"),
    [
        (None, [], True, False),
        ("http://gateway.example:5000", [], True, True),
        ("https://gateway.example:5000", [], True, True),
        ("http://gateway.example", [], False, False),
        ("http://localhost:3000", [], True, False),
        ("http://127.0.0.1", [], True, False),
        ("https://lab.example", [], False, False),
        ("https://lab.example", ["https://lab.example/"], True, False),
        ("http://lab.example", ["https://lab.example"], False, False),
        ("https://lab.example:443", ["https://lab.example"], True, False),
        ("null", [], False, False),
        ("null", ["null"], True, False),
        ("app://-", ["app://-"], True, False),
        ("nonsense", ["*"], True, False),
        ("nonsense", [], False, False),
    ],
)
def test_pages_by_their_origin(origin: str | None, allowed: list[str], permitted: bool, own: bool) -> None:
    origins = Origins(allowed)
    assert origins.allows(origin, HERE) is permitted
    if origin is not None:
        assert origins.is_own(origin, HERE) is own
        assert origins.is_own(origin, None) is False


@pytest.mark.parametrize(
    ("origin", "permitted", "own"),
    [
        ("https://lab.example", True, True),
        ("https://lab.example:443", True, True),
        ("http://lab.example", False, False),
        ("https://lab.example:8443", False, False),
        ("https://grafana.lab.example", False, False),
        ("https://evil.example", False, False),
        ("http://gateway.example:5000", True, True),
        ("http://localhost:3000", True, False),
    ],
)
def test_pages_of_the_public_address_are_our_own(origin: str, permitted: bool, own: bool) -> None:
    """Also where the proxy does not pass on the Host."""
    origins = Origins([], PublicUrl.parse("https://lab.example/stress"))
    assert origins.allows(origin, HERE) is permitted
    assert origins.is_own(origin, HERE) is own
    assert origins.include(Authority("lab.example"))
    assert not origins.include(Authority("evil.example"))
