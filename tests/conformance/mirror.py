"""A registry mirror: serves the images of OCI archives by the distribution protocol, read-only and from the disk.

usage: mirror.py PORT ARCHIVE...      on loopback, until stopped

Some tests insist on pulling (`imagePullPolicy: Always`), and no registry can be reached.
"""

import json
import sys
import tarfile
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
HOSTS = """\
server = "https://{registry}"
[host."http://127.0.0.1:{port}"]
  capabilities = ["pull", "resolve"]
"""
"""What containerd is told, in certs.d/REGISTRY/hosts.toml."""

Blob = tuple[Path, int, int]
"""An archive, and where in it: offset and length in bytes."""


def index(archives: Iterable[Path]) -> tuple[dict[str, Blob], dict[str, str]]:
    """Blobs by digest; digests of manifests by image name, without the registry: `path:tag`."""
    blobs: dict[str, Blob] = {}
    names: dict[str, str] = {}
    for path in archives:
        with tarfile.open(path) as tar:
            for entry in tar:
                if entry.name.startswith("blobs/"):
                    digest = entry.name.removeprefix("blobs/").replace("/", ":")
                    blobs[digest] = (path, entry.offset_data, entry.size)
            listed = tar.extractfile("index.json")
            assert listed is not None
            for manifest in json.load(listed)["manifests"]:
                name = manifest["annotations"]["io.containerd.image.name"]
                names[name.partition("/")[2]] = manifest["digest"]
    return blobs, names


class Handler(BaseHTTPRequestHandler):
    blobs: dict[str, Blob]
    names: dict[str, str]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self.wfile.write(self._answer())

    def _answer(self) -> bytes:
        """Sends the head; the body is the caller's to send."""
        path = self.path.partition("?")[0].removeprefix("/v2/")
        if not path:
            return self._found(b"{}", "application/json", "")
        repository, what, reference = path.rsplit("/", 2) if path.count("/") >= 2 else ("", "", "")
        digest = reference if ":" in reference else self.names.get(f"{repository}:{reference}", "")
        if digest not in self.blobs:
            self.send_error(404)
            return b""
        archive, offset, size = self.blobs[digest]
        with archive.open("rb") as file:
            file.seek(offset)
            return self._found(file.read(size), MANIFEST if what == "manifests" else "application/octet-stream", digest)

    def _found(self, data: bytes, media_type: str, digest: str) -> bytes:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(data)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        return data


def main(port: int, archives: Iterable[Path]) -> None:
    Handler.blobs, Handler.names = index(archives)
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), map(Path, sys.argv[2:]))
