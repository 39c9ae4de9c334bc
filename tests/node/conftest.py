"""A containerd of our own for tests that run real containers: folders under the test's, one per test run."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from umiak.testing.patience import LONG, until

PAUSE = "umiak.test/pause:1"
BUSYBOX = "umiak.test/busybox:1"

CONFIG = """
version = 2
root = "{root}/root"
state = "{root}/state"
[grpc]
  address = "{root}/containerd.sock"
[ttrpc]
  address = "{root}/containerd.ttrpc"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{root}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
"""

CNI = """{
  "cniVersion": "1.0.0", "name": "umiak-test",
  "plugins": [
    {"type": "bridge", "bridge": "%s", "isGateway": true, "ipMasq": false, "hairpinMode": true,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": "%s"}]], "routes": [{"dst": "0.0.0.0/0"}],
              "dataDir": "%s"}},
    {"type": "portmap", "capabilities": {"portMappings": true}},
    {"type": "loopback"}
  ]
}"""


@dataclass(frozen=True)
class Containerd:
    endpoint: str
    root: Path
    pid: int


def build_images(folder: Path) -> list[Path]:
    from umiak.node.images.archive import Settings, archive
    from umiak.node.images.layer import Layer
    from umiak.node.images.pause import program
    from umiak.node.images.recipe import Recipe, assemble

    pause = Layer()
    pause.file("pause", program("amd64"))
    files = {
        "pause.tar": archive(PAUSE, [pause], Settings(entrypoint=["/pause"]), "amd64"),
        "busybox.tar": archive(BUSYBOX, [assemble(Recipe(busybox=True))], Settings(cmd=["sh"]), "amd64"),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


@pytest.fixture(scope="session")
def containerd() -> Iterator[Containerd]:
    """The runtime with a pause and a busybox image; its pods' bridge and everything else goes at the end."""
    if os.geteuid() != 0 or not shutil.which("containerd") or not sys.platform.startswith("linux"):
        pytest.skip("needs root and containerd")
    from umiak.node.images.imports import import_archive

    root = Path(tempfile.mkdtemp(prefix="umiak-node-"))
    bridge, subnet = f"umt{os.getpid()}", f"10.213.{os.getpid() % 256}.0/24"
    (root / "cni").mkdir()
    (root / "cni/10-test.conflist").write_text(CNI % (bridge, subnet, f"{root}/ipam"))
    (root / "config.toml").write_text(CONFIG.format(root=root, pause=PAUSE))
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(["containerd", "-c", str(root / "config.toml")], stdout=log, stderr=log)
    try:
        until(lambda: asyncio.run(works(f"unix://{root}/containerd.sock")), programs=[process], logs=[root / "log"])
        for archive in build_images(root):
            asyncio.run(import_archive(str(archive), str(root / "containerd.sock")))
        yield Containerd(f"unix://{root}/containerd.sock", root, process.pid)
    finally:
        asyncio.run(empty(f"unix://{root}/containerd.sock"))
        process.terminate()
        process.wait(LONG)
        subprocess.run(["ip", "link", "delete", bridge], capture_output=True, check=False)
        shutil.rmtree(root, ignore_errors=True)


class AtOnce(ThreadPoolExecutor):
    """Does what is meant for threads on the spot."""

    def submit(self, work, /, *args, **kwargs):
        done = Future()
        try:
            done.set_result(work(*args, **kwargs))
        except BaseException as error:
            done.set_exception(error)
        return done


@pytest.fixture
async def no_threads() -> None:
    """Turning the loop is enough to have everything done: nothing depends on how fast threads are."""
    asyncio.get_running_loop().set_default_executor(AtOnce())


async def works(endpoint: str) -> bool:
    """Not merely answers: containerd does so before its plugins are ready."""
    from umiak.node.cri.client import Cri
    from umiak.node.runtime import RuntimeFailure

    cri = Cri(endpoint)
    try:
        return bool(await cri.version())
    except RuntimeFailure:
        return False
    finally:
        await cri.close()


async def empty(endpoint: str) -> None:
    from umiak.node.cri.client import Cri

    cri = Cri(endpoint)
    for sandbox in await cri.sandboxes():
        await cri.stop_sandbox(sandbox.id)
        await cri.remove_sandbox(sandbox.id)
    await cri.close()
