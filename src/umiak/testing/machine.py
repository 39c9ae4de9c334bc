"""A machine of one's own inside this one: namespaces with their own network, mounts, processes and host name.

For tests that need root: whatever runs in it cannot disturb what runs beside it, may take any port, and is gone
with its mounts, bridges and nftables when the machine stops, even if the test is killed. Files and control groups
are shared with the real machine, except that `/run` is empty and what is written to `/var` goes elsewhere.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

DATA = "/var/lib/umiak"
"""A folder of the machine's own and no overlay, so that container images can be kept in it."""
INIT = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN); print('up', flush=True)\nwhile 1: signal.pause()"
"""The first process of the machine reaps what others leave behind."""

SET_UP = """set -e
mount -t tmpfs -o mode=755 run /run
mkdir -p /run/netns /run/lock {folder}/changed {folder}/work {folder}/umiak
mount -t overlay -o lowerdir=/var,upperdir={folder}/changed,workdir={folder}/work var /var
mkdir -p {data}
mount --bind {folder}/umiak {data}
mount --make-rshared /
hostname {name}
ip link set lo up
ip link add net0 type veth peer name wire0
ip link set wire0 up
ip link set net0 up
ip address add {address}/24 dev net0
ip route add default via {gateway}
echo 1 > /proc/sys/net/ipv4/ip_forward
exec {python} -S -c "$INIT"
"""


SWITCH = """set -e
ip link set lo up
ip link add lan0 type bridge
ip address add {address}/24 dev lan0
ip link set lan0 up
exec {python} -S -c "$INIT"
"""


def _hold(kinds: Sequence[str], script: str) -> subprocess.Popen[bytes]:
    """Starts the process that keeps new namespaces alive, and waits until they are set up."""
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", *kinds, "--fork", "--kill-child", "sh", "-c", script]
    environment = {**os.environ, "INIT": INIT}
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    assert holder.stdout is not None
    if holder.stdout.readline() != b"up\n":
        raise RuntimeError(f"the machine does not come up: {holder.stdout.read().decode()}")
    return holder


class Switch:
    """A wire between machines, and their default gateway (which leads nowhere). Use it in a `with` statement."""

    def __init__(self, address: str = "198.51.100.1") -> None:
        self.address = address
        self._holder: subprocess.Popen[bytes] | None = None
        self._plugged = 0

    def __enter__(self) -> "Switch":
        self._holder = _hold(["--net"], SWITCH.format(address=self.address, python=sys.executable))
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.kill()
            holder.communicate()

    def plug(self, machine: "Machine") -> None:
        """Puts the far end of the machine's cable into this switch."""
        assert self._holder is not None, "the switch is not running"
        port, self._plugged = f"port{self._plugged}", self._plugged + 1
        there = ["nsenter", f"--net={machine.namespace('net')}", "ip", "link"]
        here = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", "ip", "link", "set", port]
        for command in (
            [*there, "set", "wire0", "netns", str(self._holder.pid), "name", port],
            [*here, "master", "lan0"],
            [*here, "up"],
        ):
            subprocess.run(command, check=True)


class Machine:
    """Use it in a `with` statement. `folder` must be empty; its path should be short, for the sake of sockets."""

    def __init__(self, folder: Path, name: str = "machine", address: str = "198.51.100.10") -> None:
        self.folder = folder
        self.name = name
        self.address = address
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self._holder: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Machine":
        script = SET_UP.format(
            data=DATA,
            folder=self.folder,
            name=self.name,
            address=self.address,
            gateway=self.address.rpartition(".")[0] + ".1",
            python=sys.executable,
        )
        kinds = ("--net", "--mount", "--uts", "--ipc", "--pid", "--mount-proc", "--propagation", "slave")
        self._holder = _hold(kinds, script)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Ends every process of the machine: the kernel does so when its first one is gone."""
        holder, self._holder = self._holder, None
        if holder is not None:
            holder.kill()
            holder.communicate()
        for program in self.programs.values():
            program.wait()
        self.programs.clear()

    def namespace(self, file: str) -> str:
        """The path of one of the machine's namespaces; `file` is its name in /proc/PID/ns."""
        assert self._holder is not None, "the machine is not running"
        return f"/proc/{self._holder.pid}/ns/{file}"

    def inside(self, *command: str) -> list[str]:
        """The command line that runs `command` in the machine; its process ends with the one that started it."""
        names = [f"--{kind}={self.namespace(file)}" for kind, file in NAMESPACES.items()]
        return ["nsenter", *names, "--", "setpriv", "--pdeathsig", "TERM", *command]

    def run(self, *command: str, seconds: float = 120.0, check: bool = True, **more: str) -> str:
        """What a command prints, both streams. `more` are environment variables. Raises AssertionError if it fails."""
        done = subprocess.run(
            self.inside(*command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
            env={**os.environ, **more},
        )
        text = done.stdout.decode(errors="replace")
        assert not check or done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}: {text}"
        return text

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Starts a program that stays; what it prints is in `log(name)`."""
        with self.log(name).open("ab") as log:
            self.programs[name] = subprocess.Popen(
                self.inside(*command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(environment or {})},
            )

    def stop(self, name: str, seconds: float = 10.0) -> None:
        """Asks a program to end; kills it after `seconds`."""
        program = self.programs.pop(name)
        program.terminate()
        try:
            program.wait(seconds)
        except subprocess.TimeoutExpired:
            program.send_signal(signal.SIGKILL)
            program.wait()

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def wait_until(self, *command: str, seconds: float = 120.0, pause: float = 0.1) -> str:
        """Repeats a command until it succeeds; what it printed. Raises AssertionError with its last words."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                return self.run(*command)
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(pause)


NAMESPACES = {"net": "net", "mount": "mnt", "uts": "uts", "ipc": "ipc", "pid": "pid_for_children"}
"""nsenter's options and the files of /proc/PID/ns. The holder itself is in the outer process namespace."""
