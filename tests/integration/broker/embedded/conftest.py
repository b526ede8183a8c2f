import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Name a conformance test by the statements of the standard that it proves, beside its own name."""
    covers = item.get_closest_marker("covers")
    if covers is not None:
        item._nodeid = f"{item.nodeid} {' '.join(covers.args)}"  # type: ignore[attr-defined]
