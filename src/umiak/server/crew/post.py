"""What a worker is handed when it starts, and the words of owner and worker.

Words go over a socket that keeps them apart; some bring an open file along: a connection, or a text in memory.
"""

import os
import socket
from contextlib import suppress

import msgspec

ENDED = 8
"""The first word of the board for workers: how many connections of each have ended."""
GO, TAKE, SHED = b"g", b"t", b"s"
"""From the owner: read the store; serve this connection; have so many connections (the number follows) go elsewhere."""
READY = b"r"
"""From a worker: it serves."""
TELL, TOLD, WANT, OTHERS = b"?", b"!", b"w", b"o"
"""Of metrics. The owner asks, a worker tells; a worker wants those of all others, the owner has them."""
LONGEST = 16
"""Bytes of a word."""


class Post(msgspec.Struct, frozen=True):
    """A worker's place, whose it is, and open files: to the store, for words, the board."""

    number: int
    owner: int
    store: int
    words: int
    board: int

    @property
    def files(self) -> tuple[int, ...]:
        return self.store, self.words, self.board

    def __str__(self) -> str:
        return ",".join(map(str, (self.number, self.owner, *self.files)))

    @classmethod
    def of(cls, text: str) -> "Post":
        """Raises ValueError."""
        number, owner, store, words, board = map(int, text.split(","))
        return cls(number, owner, store, words, board)


def say(sock: socket.socket, word: bytes, file: int = -1) -> bool:
    """Whether the other side gets it; else it is gone or takes nothing at the moment."""
    try:
        socket.send_fds(sock, [word], [file] if file >= 0 else [])
    except OSError:
        return False
    return True


def hear(sock: socket.socket) -> tuple[bytes, int] | None:
    """A word, empty when the other side is gone, and its file or -1; None when nothing was said. The file is the
    caller's to close."""
    try:
        word, files, _, _ = socket.recv_fds(sock, LONGEST, 1)
    except BlockingIOError:
        return None
    except OSError:
        return b"", -1
    return word, files[0] if files else -1


def say_text(sock: socket.socket, word: bytes, text: str) -> bool:
    """A text of any length goes as a file in memory."""
    file = os.memfd_create("umiak-text", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(file), "wb") as writer:
            writer.write(text.encode())
        return say(sock, word, file)
    finally:
        os.close(file)


def text_in(file: int) -> str:
    """What `say_text` sent; closes the file."""
    with suppress(OSError), os.fdopen(file, "rb") as reader:
        reader.seek(0)
        return reader.read().decode()
    return ""
