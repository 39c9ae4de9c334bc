"""Frames come whole, in order, however the socket cuts them."""

import asyncio
import socket

from umiak.kit.pipe import HEAD, Pipe
from umiak.testing.patience import until_so


def pair(got: list[bytes], lost: list[str]) -> tuple[Pipe, Pipe]:
    ours, theirs = socket.socketpair()
    sender = Pipe(ours, lambda frame: None, lambda: lost.append("sender"))
    return sender, Pipe(theirs, lambda frame: got.append(bytes(frame)), lambda: lost.append("receiver"))


async def test_frames_of_all_sizes():
    got: list[bytes] = []
    sender, receiver = pair(got, [])
    frames = [b"", b"a", b"b" * 300_000, b"c" * 2_000_000, b"d"]
    sender.send(*frames[:2])
    for frame in frames[2:]:
        sender.send(frame)
    assert sender.unsent > 0, "more than a socket takes at once"
    await until_so(lambda: len(got) == len(frames))
    assert got == frames and sender.unsent == 0
    sender.close()
    receiver.close()


async def test_bytes_that_trickle_in():
    got: list[bytes] = []
    ours, theirs = socket.socketpair()
    receiver = Pipe(theirs, lambda frame: got.append(bytes(frame)), lambda: None)
    for byte in (5).to_bytes(HEAD, "little") + b"hello":
        ours.send(bytes([byte]))
        await asyncio.sleep(0)
    await until_so(lambda: got == [b"hello"])
    ours.close()
    receiver.close()


async def test_the_end_is_told_once():
    lost: list[str] = []
    sender, receiver = pair([], lost)
    sender.close()
    await until_so(lambda: lost)
    receiver.send(b"too late")
    receiver.close()
    assert lost == ["receiver"]


async def test_a_frame_that_can_not_be_dealt_with_ends_it(caplog):
    """Whoever missed one would be wrong ever after, without knowing."""
    lost: list[str] = []
    ours, theirs = socket.socketpair()
    sender = Pipe(ours, lambda frame: None, lambda: lost.append("sender"))
    Pipe(theirs, lambda frame: frame[5], lambda: lost.append("receiver"))
    sender.send(b"short", b"never seen")
    await until_so(lambda: len(lost) == 2)
    assert lost == ["receiver", "sender"]
    assert "a frame could not be dealt with" in caplog.text
