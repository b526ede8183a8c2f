"""Memory of a process that runs for months: garbage that refers to itself is found, and what is free is given back.

Python looks through everything for such garbage: the rarer, the more there is to look through.

Every connection leaves such garbage, since amqtt's sessions, aiohttp's requests and python-engineio's sockets refer to
themselves. It waits for a full collection. With one after 200 middle collections a server whose clients come and go kept
100 MB of it at times; with Python's own 10 one with 10,000 clients stopped for seconds, again and again while they came.
"""

import asyncio
import ctypes
import gc
import sys
from functools import partial
from typing import Any, Final

LEAST: Final = 10
"""Middle collections before a full one, at least; Python's own number."""
_OBJECTS: Final = 7_000
"""By so many objects more at most the heap grows until the next middle collection."""

GIVE_BACK_S: Final = 60.0
"""How often free memory is given back; that takes some 7 ms for 200 MB, in a thread."""


def pace() -> None:
    """Leave alone what the start has made, for it stays; of what comes from now on, look through as often as is fit."""
    gc.collect()
    gc.freeze()
    _wait_for(LEAST)
    gc.callbacks.append(partial(_after, sys.getallocatedblocks()))


def middle_collections(objects: int) -> int:
    """How many to wait for until the next full one, where `objects` are left: until there may be twice as many."""
    return max(LEAST, objects // _OBJECTS)


def _after(frozen_blocks: int, phase: str, info: dict[str, Any]) -> None:
    """The blocks are of about as many objects. `gc.get_objects` would tell exactly, but what it hands out cannot be
    resized meanwhile: a tuple that another thread is just making raises SystemError there.
    """
    if phase == "stop" and info["generation"] == 2:
        _wait_for(middle_collections(sys.getallocatedblocks() - frozen_blocks))


def _wait_for(middle: int) -> None:
    gc.set_threshold(*gc.get_threshold()[:2], middle)


async def give_back() -> None:
    """Give what glibc keeps free back to the system, every `GIVE_BACK_S`, until cancelled; another C library is left alone.

    A block that stays keeps all that was freed below it, so that every peak, as of an export, left some memory that was not
    used again: 30 MB in a quarter of an hour where clients come and go, while no more was in use than before.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    while trim is not None:
        await asyncio.sleep(GIVE_BACK_S)
        await asyncio.to_thread(trim, 0)
