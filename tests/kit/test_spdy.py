"""SPDY/3.1 frames and connection state, without any I/O."""

import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from umiak.kit import spdy
from umiak.kit.spdy import (
    Connection,
    Data,
    GoneAway,
    Pong,
    ProtocolError,
    Replied,
    StreamOpened,
    StreamReset,
    WindowOpened,
)


def pair() -> tuple[Connection, Connection]:
    return Connection(client=True), Connection(client=False)


def test_dictionary() -> None:
    """Adler-32 of the dictionary in the draft; every SPDY/3 implementation names it in its zlib header."""
    assert (len(spdy.DICTIONARY), zlib.adler32(spdy.DICTIONARY)) == (1423, 0xE3C6A7C2)


def test_syn_stream_bytes() -> None:
    client, _ = pair()
    client.open_stream({"Streamtype": "error"})
    frame = client.take()
    assert frame[:8] == b"\x80\x03\x00\x01\x00" + struct.pack(">I", len(frame) - 8)[1:]
    assert frame[8:18] == b"\x00\x00\x00\x01" + bytes(6)
    block = zlib.decompressobj(zdict=spdy.DICTIONARY).decompress(frame[18:])
    assert block == b"\0\0\0\1\0\0\0\nstreamtype\0\0\0\5error"


def test_exchange() -> None:
    client, server = pair()
    one = client.open_stream({"streamtype": "stdin"})
    two = client.open_stream({"streamtype": "stdout", "x": "é"}, fin=True)
    assert (one, two) == (1, 3)
    assert server.receive(client.take()) == [
        StreamOpened(1, {"streamtype": "stdin"}, False),
        StreamOpened(3, {"streamtype": "stdout", "x": "é"}, True),
    ]
    server.reply(1)
    server.reply(3, {"a": "b"})
    server.send(3, b"out", fin=True)
    assert client.receive(server.take()) == [
        Replied(1, {}, False),
        Replied(3, {"a": "b"}, False),
        Data(3, b"out", True),
    ]
    client.send(1, b"in")
    client.send(1, b"", fin=True)
    assert server.receive(client.take()) == [Data(1, b"in", False), Data(1, b"", True)]
    assert (client.open_streams, server.open_streams) == (1, 1)
    server.reset(1)
    assert client.receive(server.take()) == [StreamReset(1, spdy.Reset.CANCEL)]
    assert (client.open_streams, server.open_streams) == (0, 0)
    client.send(1, b"too late")
    assert client.take() == b""


headers = st.dictionaries(
    st.text(st.characters(codec="utf-8", exclude_categories=("Lu", "Lt")), max_size=20).filter(
        lambda s: s == s.lower()
    ),
    st.text(max_size=50),
    max_size=5,
)


@settings(max_examples=50)
@given(st.lists(st.tuples(headers, st.binary(max_size=300), st.booleans()), max_size=6), st.integers(1, 64))
def test_round_trip_however_it_is_cut(streams: list[tuple[dict[str, str], bytes, bool]], size: int) -> None:
    client, server = pair()
    for asked, data, fin in streams:
        client.send(client.open_stream(asked), data, fin)
    wire = client.take()
    events: list[spdy.Event] = []
    for at in range(0, len(wire), size):
        events += server.receive(wire[at : at + size])
    opened = [e for e in events if isinstance(e, StreamOpened)]
    assert [dict(e.headers) for e in opened] == [asked for asked, _, _ in streams]
    for event, (_, data, fin) in zip(opened, streams, strict=True):
        got = [e for e in events if isinstance(e, Data) and e.stream == event.stream]
        assert b"".join(e.data for e in got) == data
        assert any(e.fin for e in got) == fin


@settings(max_examples=100)
@given(st.binary(max_size=200))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    server = Connection(client=False)
    try:
        server.receive(data)
        server.receive(b"\x80\x03" + data)
    except ProtocolError:
        pass


def test_pings() -> None:
    client, server = pair()
    number = client.ping()
    server.receive(client.take())
    assert client.receive(server.take()) == [Pong(number)]


def test_goaway() -> None:
    client, server = pair()
    client.open_stream({})
    server.receive(client.take())
    server.go_away()
    assert client.receive(server.take()) == [GoneAway(1)]
    with pytest.raises(ProtocolError, match="no more streams"):
        client.open_stream({})


def test_windows_count_once_the_peer_shows_it_knows_them() -> None:
    """spdystream never opens a window, so an unannounced one does not bind."""
    client, server = pair()
    stream = client.open_stream({})
    server.receive(client.take())
    server.reply(stream)
    client.receive(server.take())
    client.send(stream, b"x" * 100_000)
    assert client.sendable(stream) > 0
    server.receive(client.take())
    server.consumed(stream, 40_000)
    assert client.receive(server.take()) == [WindowOpened(stream)]
    assert client.sendable(stream) == 65536 + 40_000 - 100_000
    server.consumed(stream, 60_000)
    client.receive(server.take())
    assert client.sendable(stream) == 65536


def test_settings_change_windows() -> None:
    client, _ = pair()
    stream = client.open_stream({})
    body = struct.pack(">III", 1, spdy.INITIAL_WINDOW_SIZE, 1000)
    client.receive(struct.pack(">HHI", 0x8003, spdy.Type.SETTINGS, len(body)) + body)
    assert client.sendable(stream) == 1000


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (b"\x80\x02\x00\x01\x00\x00\x00\x0a", "not SPDY version 3"),
        (b"GET / HTTP/1.1\r\n\r\n", None),
        (b"\x80\x03\x00\x63\x00\x00\x00\x00", "unknown type"),
        (b"\x80\x03\x00\x01\x00\x20\x00\x00", "a control frame of 2097152 bytes"),
        (b"\x80\x03\x00\x03\x00\x00\x00\x04\x00\x00\x00\x01", "too short"),
        (b"\x80\x03\x00\x01\x00\x00\x00\x0d" + b"\x00\x00\x00\x01" + bytes(6) + b"abc", "can not be decompressed"),
    ],
)
def test_broken_peers(frame: bytes, why: str | None) -> None:
    server = Connection(client=False)
    if why is None:
        assert server.receive(frame) == []
        return
    with pytest.raises(ProtocolError, match=why):
        server.receive(frame)


def test_header_bomb() -> None:
    client, server = pair()
    client.open_stream({"a": "0" * (spdy.MAX_HEADERS + 10)})
    with pytest.raises(ProtocolError, match="too large"):
        server.receive(client.take())


def test_stream_numbers_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spdy, "MAX_STREAMS", 2)
    client, server = pair()
    for _ in range(3):
        client.open_stream({})
    frames = client.take()
    assert len(server.receive(frames)) == 2
    assert client.receive(server.take()) == [StreamReset(5, spdy.Reset.REFUSED_STREAM)]
    other = Connection(client=True)
    other.open_stream({})
    assert Connection(client=False).receive(other.outgoing) == [StreamOpened(1, {}, False)]
    used = Connection(client=True)
    assert used.receive(bytes(other.outgoing)) == []  # a number of our own side
    assert used.take()[-4:] == struct.pack(">I", spdy.Reset.PROTOCOL_ERROR)
