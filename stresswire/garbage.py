"""When Python looks through everything for garbage that refers to itself: the rarer, the more there is to look through.

Every connection leaves such garbage, since amqtt's sessions, aiohttp's requests and python-engineio's sockets refer to
themselves. It waits for a full collection. With one after 200 middle collections a server whose clients come and go kept
100 MB of it at times; with Python's own 10 one with 10,000 clients stopped for seconds, again and again while they came.
"""

import gc
from typing import Any, Final

LEAST: Final = 10
"""Middle collections before a full one, at least; Python's own number."""
_OBJECTS: Final = 7_000
"""By so many objects more at most the heap grows until the next middle collection."""


def pace() -> None:
    """Leave alone what the start has made, for it stays; of what comes from now on, look through as often as is fit."""
    gc.collect()
    gc.freeze()
    _wait_for(LEAST)
    gc.callbacks.append(_after)


def middle_collections(objects: int) -> int:
    """How many to wait for until the next full one, where `objects` are left: until there may be twice as many."""
    return max(LEAST, objects // _OBJECTS)


def _after(phase: str, info: dict[str, Any]) -> None:
    if phase == "stop" and info["generation"] == 2:
        _wait_for(middle_collections(len(gc.get_objects(generation=2))))


def _wait_for(middle: int) -> None:
    gc.set_threshold(*gc.get_threshold()[:2], middle)
