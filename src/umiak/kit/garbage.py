"""When Python looks for cycles of garbage: not while a program starts, and seldom afterwards.

A start makes some 150,000 objects that stay. Looking through them again and again would take a fifth of its time.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = (5_000, 20, 100)
"""When it looks. By itself it makes 700 objects the occasion, which one request makes several times over, and few of
ours are in cycles: with its own figures a fifth of the server's time goes into looking."""


def put_off() -> None:
    """Not until `settled`."""
    gc.disable()


def settled() -> None:
    """What there is by now stays, and is not looked through again; what is made from now on is."""
    gc.set_threshold(*SELDOM)
    gc.freeze()
    gc.enable()


@contextmanager
def left_alone(*, stays: bool) -> Iterator[None]:
    """Puts it off within somebody else's program, whose figures remain. `stays`: what was made meanwhile, as modules
    do; else it is looked through at the end."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if stays:
            gc.freeze()
        if was_on:
            gc.enable()
