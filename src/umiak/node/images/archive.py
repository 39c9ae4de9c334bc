"""An image as an OCI archive: image-spec v1.1's layout in one tar, the same bytes for the same input."""

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from umiak.node.images.layer import Layer

PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class Settings(msgspec.Struct, frozen=True):
    """How a container of the image starts, as in a Dockerfile. `environment` is NAME=value."""

    entrypoint: Sequence[str] = ()
    cmd: Sequence[str] = ()
    environment: Sequence[str] = ()
    user: str = ""
    workdir: str = ""
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    exposed_ports: Sequence[str] = ()
    stop_signal: str = ""


def full_name(name: str) -> str:
    """`busybox` as container runtimes name it: `docker.io/library/busybox:latest`."""
    path, at, digest = name.partition("@")
    if not at and ":" not in path.rpartition("/")[2]:
        path += ":latest"
    first, slash, _ = path.partition("/")
    if not slash:
        path = f"docker.io/library/{path}"
    elif "." not in first and ":" not in first and first != "localhost":
        path = f"docker.io/{path}"
    return path + at + digest


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def described(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(data), "size": len(data)}


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def configuration(settings: Settings, architecture: str, diff_ids: Sequence[str]) -> dict[str, Any]:
    """The image configuration of image-spec v1.1."""
    environment = list(settings.environment)
    if not any(e.startswith("PATH=") for e in environment):
        environment.insert(0, PATH)
    wanted = {
        "User": settings.user,
        "ExposedPorts": {p: {} for p in settings.exposed_ports},
        "Env": environment,
        "Entrypoint": list(settings.entrypoint),
        "Cmd": list(settings.cmd),
        "WorkingDir": settings.workdir,
        "Labels": dict(settings.labels),
        "StopSignal": settings.stop_signal,
    }
    return {
        "architecture": architecture,
        "os": "linux",
        "config": {k: v for k, v in wanted.items() if v},
        "rootfs": {"type": "layers", "diff_ids": list(diff_ids)},
        "history": [{"created_by": "umiak image build"} for _ in diff_ids],
    }


def archive(name: str, layers: Sequence[Layer], settings: Settings, architecture: str) -> bytes:
    """The whole archive; `name` is how the image is to be called, with its tag."""
    packed = [layer.compressed() for layer in layers]
    config = compact(configuration(settings, architecture, [digest(raw) for raw, _ in packed]))
    manifest = compact(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(config, CONFIG),
            "layers": [described(blob, LAYER) for _, blob in packed],
        }
    )
    called = full_name(name)
    annotations = {
        "io.containerd.image.name": called,
        "org.opencontainers.image.ref.name": called.rpartition(":")[2],
    }
    platform = {"architecture": architecture, "os": "linux"}
    pointer = {**described(manifest, MANIFEST), "annotations": annotations, "platform": platform}
    index = compact({"schemaVersion": 2, "manifests": [pointer]})
    blobs = {digest(b): b for b in (config, manifest, *(blob for _, blob in packed))}
    return _layout(index, blobs)


def _layout(index: bytes, blobs: Mapping[str, bytes]) -> bytes:
    files = {"oci-layout": b'{"imageLayoutVersion":"1.0.0"}', "index.json": index}
    files |= {f"blobs/{name.replace(':', '/')}": data for name, data in sorted(blobs.items())}
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()
