"""A server of ours as a process."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from umiak.testing.patience import LONG


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """A server of ours in `folder`, from its ready line on."""
    with subprocess.Popen(words, cwd=folder, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert " is ready on " in process.stdout.readline()
            yield process
        finally:
            process.terminate()
            try:
                process.wait(LONG)
            finally:
                process.kill()
