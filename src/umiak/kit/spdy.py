"""SPDY/3.1 as Kubernetes uses it for exec, attach and port-forward: frames, and the state of one connection.

Nothing here reads or writes a socket; `spdy_session` does. Source: SPDY Protocol - Draft 3.1.

Other programs of the ecosystem build on Go's spdystream, which neither keeps to flow-control windows nor opens them:
waiting for a window it never opens would hang after 64 KiB. So a peer's window counts from the first sign that the
peer knows of windows, and ours are announced as data is consumed, which spdystream ignores.
"""

import struct
import zlib
from collections.abc import Mapping
from enum import IntEnum

import msgspec

VERSION = 3
FIN = 0x01
UNIDIRECTIONAL = 0x02
INITIAL_WINDOW = 64 * 1024
MAX_CONTROL = 1024 * 1024
"""Bytes of a control frame's payload; a peer that sends more is broken."""
MAX_HEADERS = 1024 * 1024
"""Bytes of a header block once it is decompressed."""
MAX_STREAMS = 1000
"""How many streams the peer may have open at once."""
MAX_ID = 0x7FFFFFFF
INITIAL_WINDOW_SIZE = 7
"""The id of that setting."""

Headers = Mapping[str, str]
"""Names in lower case. Several values of one name are joined by NUL, as on the wire."""


class Type(IntEnum):
    """Kinds of control frames."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class Reset(IntEnum):
    """Why a stream is reset."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    UNSUPPORTED_VERSION = 4
    CANCEL = 5
    INTERNAL_ERROR = 6
    FLOW_CONTROL_ERROR = 7
    STREAM_IN_USE = 8
    STREAM_ALREADY_CLOSED = 9


class ProtocolError(Exception):
    """The peer does not speak SPDY/3.1; the connection can not go on."""


class StreamOpened(msgspec.Struct, frozen=True):
    """The peer opened a stream; `fin`: and will send nothing on it."""

    stream: int
    headers: Headers
    fin: bool


class Replied(msgspec.Struct, frozen=True):
    """The peer took a stream that we opened."""

    stream: int
    headers: Headers
    fin: bool


class Data(msgspec.Struct, frozen=True):
    """Bytes of a stream; `fin`: the last ones. A large frame comes in several."""

    stream: int
    data: bytes
    fin: bool


class StreamReset(msgspec.Struct, frozen=True):
    """The stream is gone, both ways. `status` is one of Reset, or unknown."""

    stream: int
    status: int


class WindowOpened(msgspec.Struct, frozen=True):
    """More may be sent on a stream; 0 stands for all streams."""

    stream: int


class Pong(msgspec.Struct, frozen=True):
    """The answer to our ping."""

    ping: int


class GoneAway(msgspec.Struct, frozen=True):
    """The peer takes no new streams."""

    last_stream: int


Event = StreamOpened | Replied | Data | StreamReset | WindowOpened | Pong | GoneAway


class _Stream(msgspec.Struct):
    """What the connection knows of one open stream."""

    window: int
    replied: bool
    local_end: bool = False
    remote_end: bool = False
    consumed: int = 0


class _Partial(msgspec.Struct):
    """A data frame of which only a part has come."""

    stream: int
    left: int
    fin: bool


class Connection(msgspec.Struct):
    """One side of a connection: `receive` turns bytes into events, the other methods add frames to `outgoing`.

    Methods that name a stream which is gone do nothing: the peer may have reset it a moment ago.
    """

    client: bool
    outgoing: bytearray = msgspec.field(default_factory=bytearray)
    gone_away: bool = False
    """Whether the peer or we ended the opening of streams."""
    _streams: dict[int, _Stream] = msgspec.field(default_factory=dict)
    _incoming: bytearray = msgspec.field(default_factory=bytearray)
    _partial: _Partial | None = None
    _next_stream: int = 0
    _last_received: int = 0
    _next_ping: int = 0
    _peer_window: int = 0
    """The peer's initial window for a stream; 0 while it has not shown that it knows of windows."""
    _compressor: "zlib._Compress" = msgspec.field(default_factory=lambda: zlib.compressobj(zdict=DICTIONARY))
    _decompressor: "zlib._Decompress" = msgspec.field(default_factory=lambda: zlib.decompressobj(zdict=DICTIONARY))

    def __post_init__(self) -> None:
        self._next_stream = self._next_ping = 1 if self.client else 2

    # Sending

    def take(self) -> bytes:
        """The frames to send, which it forgets."""
        data = bytes(self.outgoing)
        self.outgoing.clear()
        return data

    def open_stream(self, headers: Headers, fin: bool = False) -> int:
        """Opens a stream and returns its id; ProtocolError when no more may be opened."""
        if self.gone_away or self._next_stream > MAX_ID:
            raise ProtocolError("the connection takes no more streams")
        number = self._next_stream
        self._next_stream += 2
        self._streams[number] = _Stream(self._peer_window or INITIAL_WINDOW, replied=False, local_end=fin)
        body = struct.pack(">IIBB", number, 0, 0, 0) + self._compressed(headers)
        self._control(Type.SYN_STREAM, body, FIN if fin else 0)
        return number

    def reply(self, stream: int, headers: Headers | None = None, fin: bool = False) -> None:
        """Takes a stream that the peer opened."""
        state = self._streams.get(stream)
        if state is None or state.replied:
            return
        state.replied = True
        self._control(Type.SYN_REPLY, struct.pack(">I", stream) + self._compressed(headers or {}), FIN if fin else 0)
        if fin:
            self._end_local(stream, state)

    def sendable(self, stream: int) -> int:
        """How many bytes the peer's window lets through now; 0 when the stream is gone or ended."""
        state = self._streams.get(stream)
        if state is None or state.local_end:
            return 0
        return max(0, state.window) if self._peer_window else MAX_CONTROL

    def send(self, stream: int, data: bytes, fin: bool = False) -> None:
        """Sends bytes, at most `sendable` of them; ValueError after the end of the stream was sent."""
        state = self._streams.get(stream)
        if state is None:
            return
        if state.local_end:
            raise ValueError("the stream's end was sent already")
        state.window -= len(data)
        self.outgoing += struct.pack(">II", stream, (FIN << 24 if fin else 0) | len(data))
        self.outgoing += data
        if fin:
            self._end_local(stream, state)

    def reset(self, stream: int, status: int = Reset.CANCEL) -> None:
        if self._streams.pop(stream, None) is not None:
            self._reset(stream, status)

    def consumed(self, stream: int, size: int) -> None:
        """`size` bytes of the stream were used up: the peer may send as many again."""
        state = self._streams.get(stream)
        if state is None or state.remote_end:
            return
        state.consumed += size
        if state.consumed >= INITIAL_WINDOW // 2:
            self._control(Type.WINDOW_UPDATE, struct.pack(">II", stream, state.consumed))
            state.consumed = 0

    def ping(self) -> int:
        number = self._next_ping
        self._next_ping = number + 2 if number + 2 <= MAX_ID else 2 - number % 2
        self._control(Type.PING, struct.pack(">I", number))
        return number

    def go_away(self) -> None:
        """Says that no new streams are taken."""
        if not self.gone_away:
            self.gone_away = True
            self._control(Type.GOAWAY, struct.pack(">II", self._last_received, 0))

    def _control(self, type: Type, body: bytes, flags: int = 0) -> None:
        self.outgoing += struct.pack(">HHI", 0x8000 | VERSION, type, flags << 24 | len(body))
        self.outgoing += body

    def _reset(self, stream: int, status: int) -> None:
        self._control(Type.RST_STREAM, struct.pack(">II", stream, status))

    def _compressed(self, headers: Headers) -> bytes:
        block = bytearray(struct.pack(">I", len(headers)))
        for name, value in headers.items():
            for text in (name.lower().encode(), value.encode()):
                block += struct.pack(">I", len(text)) + text
        return self._compressor.compress(bytes(block)) + self._compressor.flush(zlib.Z_SYNC_FLUSH)

    # Receiving

    def receive(self, data: bytes) -> list[Event]:
        """What the peer's bytes mean; ProtocolError ends the connection."""
        self._incoming += data
        events: list[Event] = []
        while self._partial is not None or len(self._incoming) >= 8:
            if self._partial is not None:
                if not self._take_data(self._partial, events):
                    break
            elif self._incoming[0] & 0x80:
                if not self._take_control(events):
                    break
            else:
                stream, size = struct.unpack_from(">II", self._incoming)
                del self._incoming[:8]
                self._partial = _Partial(stream, size & 0xFFFFFF, bool(size >> 24 & FIN))
        return events

    def _take_data(self, partial: _Partial, events: list[Event]) -> bool:
        """Takes what there is of a data frame; False when it has to wait for more."""
        data = bytes(self._incoming[: partial.left])
        del self._incoming[: len(data)]
        partial.left -= len(data)
        done = partial.left == 0
        if done:
            self._partial = None
        state = self._streams.get(partial.stream)
        if state is not None and not state.remote_end and (data or (done and partial.fin)):
            events.append(Data(partial.stream, data, done and partial.fin))
            if done and partial.fin:
                self._end_remote(partial.stream, state)
        return done

    def _take_control(self, events: list[Event]) -> bool:
        version, type, size = struct.unpack_from(">HHI", self._incoming)
        flags, size = size >> 24, size & 0xFFFFFF
        if version != 0x8000 | VERSION:
            raise ProtocolError(f"not SPDY version 3: {version & 0x7FFF}")
        if size > MAX_CONTROL:
            raise ProtocolError(f"a control frame of {size} bytes")
        if len(self._incoming) < 8 + size:
            return False
        body = bytes(self._incoming[8 : 8 + size])
        del self._incoming[: 8 + size]
        try:
            self._handle(type, flags, body, events)
        except struct.error as error:
            raise ProtocolError(f"a control frame of type {type} is too short") from error
        return True

    def _handle(self, type: int, flags: int, body: bytes, events: list[Event]) -> None:
        match type:
            case Type.SYN_STREAM:
                self._opened(struct.unpack_from(">IIBB", body)[0] & MAX_ID, self._headers(body[10:]), flags, events)
            case Type.SYN_REPLY:
                self._replied(struct.unpack_from(">I", body)[0] & MAX_ID, self._headers(body[4:]), flags, events)
            case Type.HEADERS:  # nothing in Kubernetes sends them; they count for the compression
                self._headers(body[4:])
            case Type.RST_STREAM:
                stream, status = struct.unpack_from(">II", body)
                if self._streams.pop(stream & MAX_ID, None) is not None:
                    events.append(StreamReset(stream & MAX_ID, status))
            case Type.SETTINGS:
                self._settings(body, events)
            case Type.PING:
                self._pinged(struct.unpack_from(">I", body)[0], events)
            case Type.GOAWAY:
                self.gone_away = True
                events.append(GoneAway(struct.unpack_from(">I", body)[0] & MAX_ID))
            case Type.WINDOW_UPDATE:
                stream, delta = struct.unpack_from(">II", body)
                self._window_opened(stream & MAX_ID, delta & MAX_ID, events)
            case _:
                raise ProtocolError(f"a control frame of the unknown type {type}")

    def _opened(self, stream: int, headers: Headers, flags: int, events: list[Event]) -> None:
        ours = stream % 2 == (1 if self.client else 0)
        if stream == 0 or ours or stream <= self._last_received:
            self._reset(stream or 1, Reset.PROTOCOL_ERROR)
            return
        if self.gone_away:
            return
        self._last_received = stream
        if sum(number % 2 == stream % 2 for number in self._streams) >= MAX_STREAMS:
            self._reset(stream, Reset.REFUSED_STREAM)
            return
        fin = bool(flags & FIN)
        state = _Stream(self._peer_window or INITIAL_WINDOW, False, bool(flags & UNIDIRECTIONAL), fin)
        self._streams[stream] = state
        events.append(StreamOpened(stream, headers, fin))

    def _replied(self, stream: int, headers: Headers, flags: int, events: list[Event]) -> None:
        state = self._streams.get(stream)
        if state is None or state.replied:
            return
        state.replied = True
        events.append(Replied(stream, headers, bool(flags & FIN)))
        if flags & FIN:
            self._end_remote(stream, state)

    def _settings(self, body: bytes, events: list[Event]) -> None:
        (count,) = struct.unpack_from(">I", body)
        for entry, value in struct.iter_unpack(">II", body[4 : 4 + 8 * min(count, len(body) // 8)]):
            if entry & 0xFFFFFF == INITIAL_WINDOW_SIZE:
                change = (value & MAX_ID) - (self._peer_window or INITIAL_WINDOW)
                self._peer_window = max(1, value & MAX_ID)
                for state in self._streams.values():
                    state.window += change
                events.append(WindowOpened(0))

    def _pinged(self, number: int, events: list[Event]) -> None:
        if number % 2 == self._next_ping % 2:
            events.append(Pong(number))
        else:
            self._control(Type.PING, struct.pack(">I", number))

    def _window_opened(self, stream: int, delta: int, events: list[Event]) -> None:
        self._peer_window = self._peer_window or INITIAL_WINDOW
        state = self._streams.get(stream)
        if state is None:  # stream 0 is the whole connection's window, which only SPDY/3.1 over TLS to browsers uses
            return
        state.window += delta
        if state.window > MAX_ID:
            self.reset(stream, Reset.FLOW_CONTROL_ERROR)
            events.append(StreamReset(stream, Reset.FLOW_CONTROL_ERROR))
        else:
            events.append(WindowOpened(stream))

    def _headers(self, block: bytes) -> Headers:
        try:
            text = self._decompressor.decompress(block, MAX_HEADERS)
        except zlib.error as error:
            raise ProtocolError(f"headers can not be decompressed: {error}") from error
        if self._decompressor.unconsumed_tail or len(text) >= MAX_HEADERS:
            raise ProtocolError("headers are too large")
        (count,) = struct.unpack_from(">I", text)
        at, found = 4, {}
        for _ in range(min(count, len(text))):
            name, at = _string(text, at)
            value, at = _string(text, at)
            found[name.lower()] = value
        return found

    # Ends

    def _end_local(self, stream: int, state: _Stream) -> None:
        state.local_end = True
        if state.remote_end:
            self._streams.pop(stream, None)

    def _end_remote(self, stream: int, state: _Stream) -> None:
        state.remote_end = True
        if state.local_end:
            self._streams.pop(stream, None)

    @property
    def open_streams(self) -> int:
        return len(self._streams)


def _string(block: bytes, at: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">I", block, at)
    end = at + 4 + size
    if end > len(block):
        raise ProtocolError("a header is longer than its block")
    try:
        return block[at + 4 : end].decode(), end
    except UnicodeDecodeError:
        return block[at + 4 : end].decode("latin-1"), end


_WORDS = (
    b"options;head;post;put;delete;trace;accept;accept-charset;accept-encoding;accept-language;accept-ranges;ag"
    b"e;allow;authorization;cache-control;connection;content-base;content-encoding;content-language;content-len"
    b"gth;content-location;content-md5;content-range;content-type;date;etag;expect;expires;from;host;if-match;i"
    b"f-modified-since;if-none-match;if-range;if-unmodified-since;last-modified;location;max-forwards;pragma;pr"
    b"oxy-authenticate;proxy-authorization;range;referer;retry-after;server;te;trailer;transfer-encoding;upgrad"
    b"e;user-agent;vary;via;warning;www-authenticate;method;get;status;200 OK;version;HTTP/1.1;url;public;set-c"
    b"ookie;keep-alive;origin"
)
_TAIL = (
    b"100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authori"
    b"tative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not "
    b"Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug S"
    b"ept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,imag"
    b"e/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,"
    b"sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY: bytes = b"".join(struct.pack(">I", len(word)) + word for word in _WORDS.split(b";")) + _TAIL
"""What both sides' compression starts from; the draft gives it byte by byte."""
