"""The mirror answers what a container runtime asks of a registry."""

import json
import threading
from http.server import ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import images
import mirror

from umiak.node.images import archive


def test_pulling(tmp_path: Path) -> None:
    path = tmp_path / "pause.tar"
    path.write_bytes(images.sandbox())

    class Handler(mirror.Handler):
        def log_message(self, *_: object) -> None:
            pass

    Handler.blobs, Handler.names = mirror.index([path])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}/v2/"
        with urlopen(f"{base}pause/manifests/3.10.2?ns=registry.k8s.io") as answer:
            assert answer.headers["Content-Type"] == mirror.MANIFEST
            manifest = json.load(answer)
        for blob in (manifest["config"], *manifest["layers"]):
            with urlopen(f"{base}pause/blobs/{blob['digest']}") as answer:
                assert archive.digest(answer.read()) == blob["digest"]
        server.shutdown()
