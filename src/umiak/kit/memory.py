"""Memory given back to the machine after work that needed much of it for a moment."""

import ctypes
import gc
import sys
import time
from collections.abc import Callable

from umiak.kit.clock import Clock

INTERVAL = 1.0
"""Seconds between two looks."""
MUCH = 0.25
"""Seconds of CPU time after which there may be something to give back."""


def give_back() -> None:
    """Collects garbage and returns free pages of the C heap; Python and glibc would keep them for later. Takes some
    milliseconds."""
    gc.collect()
    trim()


def trim() -> None:
    """Returns free pages of the C heap, which glibc by itself does at the heap's end only. Measured: 1 to 4 ms for a
    server that holds 60 MiB, of which it returns up to 30 after a load."""
    if sys.platform == "linux":
        returning = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if returning is not None:
            returning(0)


async def stay_small(
    clock: Clock, spent: Callable[[], float] = time.process_time, act: Callable[[], None] = trim
) -> None:
    """Gives memory back after work, until cancelled."""
    before = spent()
    while True:
        await clock.sleep(INTERVAL)
        if spent() - before > MUCH:
            act()
            before = spent()
