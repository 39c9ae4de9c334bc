"""A page of numbers that a process and those forked from it all see, without asking each other.

Each number has one writer. An aligned word is written and read in one go by every processor we run on.
"""

import mmap

WORDS = mmap.PAGESIZE // 8


class Board:
    """`WORDS` unsigned 64-bit numbers, all 0 at first. Make it before forking."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self.words = memoryview(self._memory).cast("Q")
