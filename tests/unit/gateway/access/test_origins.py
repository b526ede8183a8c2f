"""Pages that may use the gateway."""

import pytest

from broker.authority import Authority
from gateway.access.origins import Origins

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
