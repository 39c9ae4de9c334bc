"""What a store's owner and its replicas say to each other: MessagePack arrays, told apart by their first element."""

import msgspec


class Put(msgspec.Struct, array_like=True, tag=1, gc=False):
    """A write asked for under a `number` of the replica's. The value is `head`, the new revision, `tail`; or `head`
    alone when it does not show its revision. `expect` as in `Store.put`."""

    number: int
    key: str
    expect: int | None
    head: bytes
    tail: bytes | None


class Delete(msgspec.Struct, array_like=True, tag=2, gc=False):
    """`head` is None when the value stays as it is. `parting` as in `Store.delete`."""

    number: int
    key: str
    expect: int | None
    head: bytes | None
    tail: bytes | None
    parting: bool = False


class Compact(msgspec.Struct, array_like=True, tag=3, gc=False):
    """Forget history before `revision`."""

    number: int
    revision: int


class Change(msgspec.Struct, array_like=True, gc=False, omit_defaults=True):
    """A committed change. What was there before, the replica knows. `number` is that of its own wish, if it was one;
    then it knows the value, too, but for the revision, and `value` is empty."""

    key: str
    value: bytes
    created: int
    modified: int
    deleted: bool
    number: int = 0


class Commit(msgspec.Struct, array_like=True, tag=1, gc=False):
    """Changes in the order of their revisions, which follow those told before."""

    changes: list[Change]


class Outcome(msgspec.Struct, array_like=True, tag=2, gc=False):
    """What became of a compaction, or of a write that failed; of one that did not the commit tells. Told after the
    commit that the write conflicted with."""

    number: int
    revision: int = 0
    """0 when it failed."""
    fault: str = ""
    """Why it could not be made durable; empty for a mismatch."""
    oldest: int = 0
    """Of a refused compaction: what is there still, or 0 for a revision that has not happened."""


Wish = Put | Delete | Compact
News = Commit | Outcome

ENCODER = msgspec.msgpack.Encoder()
WISHES: msgspec.msgpack.Decoder[Wish] = msgspec.msgpack.Decoder(Wish)
NEWS: msgspec.msgpack.Decoder[News] = msgspec.msgpack.Decoder(News)


def stamped(head: bytes, tail: bytes | None, revision: int) -> bytes:
    """The value of a write that got `revision`."""
    return head if tail is None else b"%b%d%b" % (head, revision, tail)
