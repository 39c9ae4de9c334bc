"""Hands an archive to the container runtime.

CRI cannot import. containerd ships `ctr`, which streams an archive into it over the same socket.
"""

import asyncio
import shutil

from umiak.node.runtime import RuntimeFailure, Unsupported

NAMESPACE = "k8s.io"  # where containerd's CRI plugin looks


async def import_archive(path: str, socket: str) -> list[str]:
    """Imports the images in an OCI or Docker archive; answers their names."""
    program = shutil.which("ctr")
    if program is None:
        raise Unsupported("importing images needs containerd's ctr program, which is not installed")
    command = [program, "-a", socket, "-n", NAMESPACE, "images", "import", path]
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, problem = await process.communicate()
    if process.returncode != 0:
        raise RuntimeFailure(f"importing {path} failed: {problem.decode(errors='replace').strip()}")
    return names(out.decode())


def names(said: str) -> list[str]:
    """The images in ctr's lines such as `unpacking docker.io/library/x:1 (sha256:...)...done`."""
    return [line.split()[1] for line in said.splitlines() if line.startswith("unpacking ")]
