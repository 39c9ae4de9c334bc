"""A containerd of our own: its configuration and the images it must have before any pod can start."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from umiak.cli.machine.layout import Layout

PAUSE = "registry.umiak.internal/pause:1"
"""The sandbox image; made by us, so no registry is asked."""
CNI_BINARIES = ("/usr/lib/cni", "/opt/cni/bin")
SECONDS = 120.0
"""How long it may take to recover its containers on a slow machine before we give up."""
LOOK_SECONDS = 0.02


REGISTRIES = "/etc/containerd/certs.d"
"""Where administrators tell of mirrors and of registries' certificates: containerd's own place, one folder each."""


class RuntimeMissing(Exception):
    """The container runtime or a program it needs is not installed, or does not come up."""


def version(program: str = "containerd") -> tuple[int, int]:
    """Major and minor of the installed containerd. Raises RuntimeMissing."""
    path = shutil.which(program)
    if path is None:
        raise RuntimeMissing("containerd is not installed: apt-get install containerd")
    text = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v?(\d+)\.(\d+)\.\d+", text)
    if found is None:
        raise RuntimeMissing(f"cannot read the version of {path}: {text.strip()!r}")
    return int(found[1]), int(found[2])


def may_lower_oom_score() -> bool:
    """Whether this machine lets us protect processes from the out-of-memory killer (CAP_SYS_RESOURCE).

    Where it does not, runc fails on a negative score, so containerd must not ask for one.
    """
    status = Path("/proc/self/status").read_text()
    effective = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    return effective is not None and bool(int(effective[1], 16) >> 24 & 1)


def settings(layout: Layout, *, major: int, restrict_oom: bool, systemd_cgroup: bool, cni_bin: str) -> str:
    """The text of config.toml. containerd 1 and 2 name the CRI plugin's tables differently."""
    if major >= 2:
        images, runtime, extra = (f"plugins.'io.containerd.cri.v1.{part}'" for part in ("images", "runtime", "runtime"))
        sandbox = f"  [{images}.pinned_images]\n    sandbox = '{PAUSE}'\n"
        bins, head = f"bin_dirs = ['{cni_bin}']", "version = 3"
    else:
        images = runtime = extra = "plugins.'io.containerd.grpc.v1.cri'"
        sandbox, head = "", "version = 2"
        bins = f"bin_dir = '{cni_bin}'"
    runc = f"{extra}.containerd.runtimes.runc"
    return f"""{head}
root = '{layout.containerd}'
state = '{layout.run}/containerd'
oom_score = 0
[grpc]
  address = '{layout.runtime_socket}'
[{runtime}]
  restrict_oom_score_adj = {str(restrict_oom).lower()}
{f"  sandbox_image = '{PAUSE}'" if major < 2 else ""}
  [{images}.registry]
    config_path = '{REGISTRIES}'
  [{runtime}.cni]
    {bins}
    conf_dir = '{layout.cni_config}'
  [{runc}]
    runtime_type = 'io.containerd.runc.v2'
    [{runc}.options]
      SystemdCgroup = {str(systemd_cgroup).lower()}
{sandbox}"""


def cni_folder(folders: Sequence[str] = CNI_BINARIES) -> str:
    """Where the standard CNI plugins are. Raises RuntimeMissing."""
    for folder in folders:
        if Path(folder, "bridge").exists():
            return folder
    raise RuntimeMissing("the CNI plugins are not installed: apt-get install containernetworking-plugins")


def systemd_runs() -> bool:
    return Path("/run/systemd/system").is_dir()


def prepare(layout: Layout) -> Path:
    """Writes the configuration; returns its path."""
    path = layout.containerd / "config.toml"
    text = settings(
        layout,
        major=version()[0],
        restrict_oom=not may_lower_oom_score(),
        systemd_cgroup=False,
        cni_bin=cni_folder(),
    )
    path.write_text(text)
    return path


async def ready(layout: Layout, seconds: float = SECONDS) -> None:
    """Waits until the runtime does its work, which it says some time after its socket answers.

    containerd serves CRI while it still recovers its containers, with "server is not initialized yet" for all that is
    asked. Raises RuntimeMissing with its last answer and the end of its log.
    """
    from umiak.node.cri.client import Cri
    from umiak.node.runtime import RuntimeFailure

    runtime = Cri(f"unix://{layout.runtime_socket}")
    answer = "nothing"
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await runtime.version()
                    return
                except RuntimeFailure as error:
                    answer = str(error)
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        raise RuntimeMissing(_why_not(layout, seconds, answer)) from None
    finally:
        await runtime.close()


def _why_not(layout: Layout, seconds: float, answer: str) -> str:
    log = layout.logs / "containerd.log"
    tail = log.read_text(errors="replace").splitlines()[-3:] if log.exists() else []
    return "\n".join([f"containerd did not come up within {seconds:g} s ({answer}); {log} ends with:", *tail])


async def import_pause(layout: Layout) -> None:
    """Puts the sandbox image into the runtime, unless it is there. Raises RuntimeMissing."""
    import platform
    import tempfile

    from umiak.node.cri.client import Cri
    from umiak.node.images import archive, imports, pause
    from umiak.node.images.layer import Layer
    from umiak.node.runtime import RuntimeFailure

    runtime = Cri(f"unix://{layout.runtime_socket}")
    try:
        if await runtime.image(PAUSE) is not None:
            return
        machine = archive.MACHINES[platform.machine()]
        layer = Layer()
        layer.file("pause", pause.program(machine))
        image = archive.archive(PAUSE, [layer], archive.Settings(entrypoint=["/pause"]), machine)
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            file.write(image)
            file.flush()
            await imports.import_archive(file.name, str(layout.runtime_socket))
    except RuntimeFailure as error:
        raise RuntimeMissing(f"cannot import the sandbox image: {error}") from error
    finally:
        await runtime.close()
