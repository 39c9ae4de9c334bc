"""Takes the cluster off this machine: pods first, then programs, then every trace outside the data folder."""

import asyncio
import contextlib
import os
import select
import shutil
import signal
from pathlib import Path

from umiak.cli.machine import kernel, programs
from umiak.cli.machine.config import ClusterConfig
from umiak.cli.machine.layout import Layout

STOP_SECONDS = 10.0


def stop(config: ClusterConfig) -> int:
    """Ends the cluster in order; how many pods there were.

    First those who would start pods anew, then the pods, the runtime last. The supervisor goes first of all and at
    once: it would only restart what we stop.
    """
    layout = config.layout
    supervisor = programs.supervisor_pid(layout)
    if supervisor:
        end(supervisor, 0.0)
    alive = programs.running(layout)
    containerd = alive.pop("containerd", 0)
    for name in ("node", "controllers", "server"):
        if name in alive:
            end(alive[name], STOP_SECONDS)
    count = asyncio.run(remove_pods(config.runtime_endpoint)) if containerd or config.containerRuntimeEndpoint else 0
    if containerd:
        end(containerd, STOP_SECONDS)
    end_shims(layout)
    kernel.end_processes(pod_uids(layout))
    return count


def end(pid: int, seconds: float) -> None:
    """Asks a process to end, and insists after `seconds`. Waits until it is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(ProcessLookupError):
            for number, wait in ((signal.SIGTERM, seconds), (signal.SIGKILL, 5.0)):
                if wait:
                    signal.pidfd_send_signal(handle, number)
                    if select.select([handle], [], [], wait)[0]:
                        return
    finally:
        os.close(handle)


async def remove_pods(endpoint: str) -> int:
    """Stops and removes every sandbox of the runtime, all at once; how many there were."""
    from umiak.node.cri.client import Cri
    from umiak.node.runtime import RuntimeFailure

    runtime = Cri(endpoint)
    try:
        found = await runtime.sandboxes()

        async def remove(sandbox_id: str) -> None:
            with contextlib.suppress(RuntimeFailure):
                await runtime.stop_sandbox(sandbox_id)
                await runtime.remove_sandbox(sandbox_id)

        await asyncio.gather(*(remove(sandbox.id) for sandbox in found))
        return len(found)
    except RuntimeFailure:
        return 0  # it does not answer; what its pods left is cleaned up without it
    finally:
        await runtime.close()


def pod_uids(layout: Layout) -> list[str]:
    """Pods that were ever on this node and not forgotten: the agent keeps a folder for each."""
    pods = layout.node / "pods"
    return [p.name for p in pods.iterdir()] if pods.is_dir() else []


def end_shims(layout: Layout) -> None:
    """Ends container shims that a killed containerd left behind: those that were told our socket.

    A cluster in a container on this machine may call its socket the same, but has process numbers of its own.
    """
    mine, here = f"{layout.runtime_socket}".encode(), Path("/proc/self/ns/pid").readlink()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if b"containerd-shim" in words[0] and mine in words and (folder / "ns/pid").readlink() == here:
                    end(int(folder.name), 0.0)


def remove_traces(config: ClusterConfig) -> None:
    """What is left when every process is gone."""
    layout = config.layout
    kernel.unmount_below(layout.run, layout.data)
    kernel.remove_network()
    kernel.remove_cgroups()
    kernel.restore(layout.before)
    remove_container_logs()
    shutil.rmtree(layout.run, ignore_errors=True)


def remove_container_logs() -> None:
    """Folders that other tools expect at fixed places; only when nothing is in them."""
    for folder in ("/var/log/containers", "/var/log/pods"):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()


def remove_data(config: ClusterConfig) -> None:
    shutil.rmtree(config.layout.data, ignore_errors=True)
