"""A page of numbers that several processes of ours see without asking each other.

Each number has one writer. An aligned word is written and read in one go by every processor we run on.
"""

import mmap
import os

WORDS = mmap.PAGESIZE // 8


class Board:
    """`words` are `WORDS` unsigned 64-bit numbers, all 0 at first. A child process makes its own of the same `handle`,
    an open file without a name."""

    def __init__(self, handle: int = -1) -> None:
        self.handle = handle
        if handle < 0:
            self.handle = os.memfd_create("umiak-board", os.MFD_CLOEXEC)
            os.ftruncate(self.handle, mmap.PAGESIZE)
        self._memory = mmap.mmap(self.handle, mmap.PAGESIZE)
        self.words = memoryview(self._memory).cast("Q")

    def close(self) -> None:
        self.words.release()
        self._memory.close()
        os.close(self.handle)
