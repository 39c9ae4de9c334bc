"""Waiting for what another program, a thread or a socket does: as long as the slowest machine may need, and not longer.

A wait that goes well costs nothing, however long it could have been; so all are long. When one is in vain it says
what was found last, which programs have ended, and what they logged.
"""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

LONG = 300.0
"""Seconds that anything may take; what takes one second here has taken ten elsewhere, and a minute at a bad time."""
TAIL = 4000
"""Characters of a log that are shown."""
NOT_YET = (AssertionError, OSError, LookupError, ValueError, subprocess.SubprocessError)
"""Failures of a look that count as no: nobody answers, or in other words than those that were wanted."""

T = TypeVar("T")


def until(
    look: Callable[[], T],
    seconds: float = LONG,
    *,
    every: float = 0.1,
    programs: "Sequence[subprocess.Popen[Any]]" = (),
    logs: Sequence[Path] = (),
) -> T:
    """What `look` returns once it is true. Raises AssertionError in vain, or as soon as one of the programs ends."""
    end = time.monotonic() + seconds
    while True:
        try:
            if found := look():
                return found
            last = repr(found)
        except NOT_YET as error:
            last = f"{type(error).__name__}: {error}"
        ended = [f"ended with {p.returncode}: {p.args!r}" for p in programs if p.poll() is not None]
        if ended or time.monotonic() > end:
            raise AssertionError("\n".join([f"not so within {seconds:g} s, but {last}", *ended, *map(tail, logs)]))
        time.sleep(every)


async def until_so(look: Callable[[], object], seconds: float = LONG, *, every: float = 0.0) -> None:
    """Lets the event loop turn until `look` is true; it may be asynchronous. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while True:
            found = look()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(every)


def tail(log: Path) -> str:
    """The end of a program's log, for a failure's text."""
    try:
        return f"{log}:\n{log.read_text(errors='replace')[-TAIL:]}"
    except OSError as error:
        return str(error)
