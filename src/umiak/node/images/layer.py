"""One file system layer: what is added to it comes out as the same bytes every time."""

import gzip
import io
import tarfile
from pathlib import PurePosixPath

import msgspec


def inside(path: str) -> str:
    """A path as a layer names it: relative, without `.`; ValueError when it climbs out or names the root."""
    parts = [p for p in PurePosixPath("/", path).parts[1:] if p != "."]
    if not parts or ".." in parts:
        raise ValueError(f"{path!r} is no path inside an image")
    return "/".join(parts)


class Layer(msgspec.Struct):
    """Files, links and folders by path. Owners are root and times the epoch unless said otherwise."""

    _entries: dict[str, tuple[tarfile.TarInfo, bytes]] = msgspec.field(default_factory=dict)

    def __contains__(self, path: str) -> bool:
        return inside(path) in self._entries

    def _add(self, path: str, data: bytes, mode: int, type: bytes, link: str = "", uid: int = 0, gid: int = 0) -> None:
        name = inside(path)
        parent = str(PurePosixPath(name).parent)
        if parent != "." and parent not in self._entries:
            self.folder(parent)
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.linkname, entry.size = type, mode, link, len(data)
        entry.uid, entry.gid = uid, gid
        self._entries[name] = entry, data

    def file(self, path: str, data: bytes, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        self._add(path, data, mode, tarfile.REGTYPE, uid=uid, gid=gid)

    def folder(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
        self._add(path, b"", mode, tarfile.DIRTYPE, uid=uid, gid=gid)

    def link(self, path: str, target: str) -> None:
        """A symbolic link."""
        self._add(path, b"", 0o777, tarfile.SYMTYPE, target)

    def tar(self) -> bytes:
        """Sorted by path, so folders come before what is in them."""
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for _, (entry, data) in sorted(self._entries.items()):
                tar.addfile(entry, io.BytesIO(data))
        return out.getvalue()

    def compressed(self) -> tuple[bytes, bytes]:
        """The tar, and the same through gzip."""
        raw = self.tar()
        return raw, gzip.compress(raw, 6, mtime=0)
