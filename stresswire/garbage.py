"""Memory management for a process that runs for months: cyclic garbage collection, and returning free memory.

Every connection leaves reference cycles: amqtt's sessions, aiohttp's requests and python-engineio's sockets. Only a full
collection (of the oldest generation) frees them, and it visits every object. With a full collection after 200 middle ones a
server whose clients come and go held up to 100 MB of garbage; with Python's default of 10 a server with 10,000 clients
stopped for seconds, again and again while they connected.
"""

import asyncio
import ctypes
import gc
import sys
from functools import partial
from typing import Any, Final

MIN_MIDDLE_COLLECTIONS: Final = 10
"""Minimum of middle collections before a full one; Python's default."""
_OBJECTS_PER_COLLECTION: Final = 7_000
"""Upper bound of new objects between two middle collections."""

TRIM_INTERVAL_S: Final = 60.0
"""Interval at which free memory is returned; that takes about 7 ms for 200 MB, in a thread."""


def tune_collections() -> None:
    """Exclude the objects of the start from collection, and adapt the rate of full collections to the later ones."""
    gc.collect()
    gc.freeze()
    _set_threshold(MIN_MIDDLE_COLLECTIONS)
    gc.callbacks.append(partial(_after, sys.getallocatedblocks()))


def middle_collections(objects: int) -> int:
    """Return the number of middle collections before the next full one: until `objects` may have doubled."""
    return max(MIN_MIDDLE_COLLECTIONS, objects // _OBJECTS_PER_COLLECTION)


def _after(frozen_blocks: int, phase: str, info: dict[str, Any]) -> None:
    """Set the threshold after each full collection, by the number of allocated memory blocks: about that of the objects.

    `gc.get_objects` would be exact, but it takes references: a tuple that another thread is building can then not be
    resized, which raises SystemError there.
    """
    if phase == "stop" and info["generation"] == 2:
        _set_threshold(middle_collections(sys.getallocatedblocks() - frozen_blocks))


def _set_threshold(middle: int) -> None:
    gc.set_threshold(*gc.get_threshold()[:2], middle)


async def trim_memory() -> None:
    """Return glibc's free memory to the system every `TRIM_INTERVAL_S`, until cancelled; do nothing on other C libraries.

    glibc keeps all memory that was freed below a block that is still in use, so every peak, such as an export, left unused
    memory behind: 30 MB in 15 minutes if clients come and go, with no more memory in use than before.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    while trim is not None:
        await asyncio.sleep(TRIM_INTERVAL_S)
        await asyncio.to_thread(trim, 0)
