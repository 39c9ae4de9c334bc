"""Memory given back to the machine after work that needed much of it for a moment."""

import ctypes
import gc
import sys


def give_back() -> None:
    """Collects garbage and returns free pages of the C heap; Python and glibc would keep them for later. Takes some
    milliseconds."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # musl has none
        if trim is not None:
            trim(0)
