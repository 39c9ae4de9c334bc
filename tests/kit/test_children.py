"""Child processes end with us and inherit what they are to have, nothing else."""

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from umiak.kit.board import Board
from umiak.kit.children import end_with, fork, reap, spawn
from umiak.testing.patience import LONG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def open_files() -> set[int]:
    return {int(entry.name) for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def test_a_forked_child_keeps_only_what_it_is_given():
    ours, theirs = socket.socketpair()
    with ours, theirs, Path("/dev/null").open() as other:

        def work() -> int:
            extra = open_files() - {0, 1, 2, theirs.fileno()}
            theirs.send(b"kept" if other.fileno() not in extra else b"leaked")
            return 7

        child = fork(work, [theirs.fileno()])
        assert ours.recv(16) == b"kept"
        assert reap(child) == 7


def test_a_child_that_fails_says_so(caplog):
    def work() -> int:
        raise ValueError("broken")

    assert reap(fork(work, [])) == 1


def test_a_started_child_has_its_files_under_the_same_numbers():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        program = "import socket, sys; socket.socket(fileno=int(sys.argv[1])).send(b'here')"
        child = spawn([sys.executable, "-c", program, str(theirs.fileno())], [theirs.fileno()])
        assert ours.recv(16) == b"here"
        assert reap(child) == 0


def test_a_grandchild_does_not_outlive_its_parent():
    ours, theirs = socket.socketpair()
    with ours:

        def parent() -> int:
            fork(lambda: signal.pause() or 0, [theirs.fileno()])
            theirs.send(b"started")
            os.kill(os.getpid(), signal.SIGKILL)
            return 0

        child = fork(parent, [theirs.fileno()])
        theirs.close()
        ours.settimeout(LONG)
        assert ours.recv(16) == b"started"
        assert reap(child) == -signal.SIGKILL
        assert ours.recv(16) == b"", "the grandchild still has its end"


def test_who_has_another_parent_ends():
    def orphan() -> int:
        end_with(os.getpid())  # not its parent's number
        return 0

    assert reap(fork(orphan, [])) == 1


def test_a_board_is_seen_by_all():
    board = Board()
    board.words[3] = 2**63 + 5

    def work() -> int:
        other = Board(board.handle)
        assert other.words[3] == 2**63 + 5
        other.words[4] = 9
        return 0

    assert reap(fork(work, [board.handle])) == 0
    assert board.words[4] == 9
    board.close()
