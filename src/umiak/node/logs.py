"""The CRI log format: `2016-10-06T00:17:09.669794202Z stdout F the line`; P for a part of a line."""

from collections.abc import Iterator

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One line of a log file. `content` ends with a newline unless it is only a part of a line."""

    time: bytes
    stream: bytes
    content: bytes


def parse(line: bytes) -> Entry | None:
    """One line without its newline; None when it is not in the format."""
    fields = line.split(b" ", 3)
    if len(fields) < 4 or fields[1] not in (b"stdout", b"stderr"):
        return None
    time, stream, tag, content = fields
    partial = tag.split(b":")[0] == b"P"
    return Entry(time, stream, content if partial else content + b"\n")


def entries(data: bytes) -> Iterator[Entry]:
    """The entries of whole lines; what is cut off or malformed is passed over."""
    for line in data.split(b"\n"):
        entry = parse(line)
        if entry is not None:
            yield entry
