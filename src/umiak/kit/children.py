"""Child processes that work with us: they inherit only the files they are to have, and never outlive us."""

import asyncio
import ctypes
import logging
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)
_PR_SET_PDEATHSIG = 1


def fork(work: Callable[[], int], keep: Collection[int]) -> int:
    """The process number of a child that runs `work` and ends with its result. It shares our memory until either
    writes. Only for a process without threads and without an open database, which both go wrong when doubled."""
    parent = os.getpid()
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        _begin_anew(keep)
        end_with(parent)
        code = work()
    except Exception:
        log.exception("child process %d", os.getpid())
    finally:
        logging.shutdown()
        os._exit(code)  # nothing of the parent's may be cleaned up here


def _begin_anew(keep: Collection[int]) -> None:
    asyncio._set_running_loop(None)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    wanted = {0, 1, 2, *keep}
    for name in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if name not in wanted:
            with suppress(OSError):  # the one that listed them
                os.close(name)


def end_with(parent: int) -> None:
    """This process is killed when `parent`, which started it, ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it was faster
        os._exit(1)


def spawn(command: Sequence[str], keep: Collection[int]) -> int:
    """The process number of a child that runs `command` with the files `keep` open under the same numbers."""
    child = subprocess.Popen(command, pass_fds=keep, stdin=subprocess.DEVNULL)
    child.returncode = 0  # whoever started it waits for it by its number
    return child.pid


def reap(child: int) -> int:
    """Waits for a child that is ending; its exit code, or minus the signal that killed it."""
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:
        return 0
    return os.waitstatus_to_exitcode(status)
