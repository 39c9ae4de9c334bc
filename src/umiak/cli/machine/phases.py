"""Progress of a long command: one line per phase with the time since the start; rich terminals are not needed."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Phases:
    """Prints `  0.42 s  what was done` for each phase as it ends; on a terminal also what is being done."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.done: list[dict[str, Any]] = []
        """What was said, for programs."""
        self._began = time.monotonic()
        self._quiet = quiet
        self._terminal = sys.stdout.isatty() and not quiet

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._began

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        if self._terminal:
            print(f"         {name} ...", end="\r", flush=True)
        yield
        self.say(name)

    def say(self, text: str) -> None:
        self.done.append({"phase": text, "seconds": round(self.elapsed, 3)})
        if not self._quiet:
            print(f"{self.elapsed:6.2f} s  {text}" + (" " * 8 if self._terminal else ""), flush=True)
