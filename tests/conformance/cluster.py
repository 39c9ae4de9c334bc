"""A cluster of umiak on two machines of its own: `umiak up` makes the first, a node agent joins from the second.

Instead of ours, the API server can be the original's with its etcd; everything else stays umiak. Both machines are
namespaces of this one (see `umiak.testing.machine`), so root is needed, and nothing is left behind.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mirror

from umiak.cli.machine import containerd, credentials, programs
from umiak.cli.machine.config import ClusterConfig
from umiak.client import kubeconfig
from umiak.kit import pki
from umiak.node.images.imports import import_archive
from umiak.server import identity
from umiak.testing import reference
from umiak.testing.machine import Machine, Switch

NODES = {"first": "198.51.100.10", "second": "198.51.100.11"}
OURS, REFERENCE = "umiak", "reference"
APISERVERS = (OURS, REFERENCE)
"""Whose API server a cluster may have."""
ETCD_PORT = 2379
SETTLE = "import sys, pathlib; from umiak.cli.machine import kernel; kernel.settle(pathlib.Path(sys.argv[1]))"
PERMIT = """import asyncio, sys
from umiak.cli._part import connect
from umiak.cli.machine import objects
asyncio.run(objects.apply(connect(sys.argv[1], "up")))
"""
"""Gives the parts of a cluster their permissions, as `umiak up` does."""

REGISTRY, MIRROR_PORT = "registry.k8s.io", 5000
TELL = f"""set -e
top={Path(containerd.REGISTRIES).parent}
mkdir -p $top
mount -t tmpfs registries $top
mkdir -p {containerd.REGISTRIES}/$0
echo "$1" > {containerd.REGISTRIES}/$0/hosts.toml
"""
"""In the machine's own view of /etc, which is this machine's otherwise."""


class Cluster:
    """Two running machines, `first` with the control plane. `make` in a `with` statement."""

    def __init__(self, folder: Path, first: Machine, second: Machine) -> None:
        self.folder = folder
        self.first, self.second = first, second
        self.configs = {m.name: self._config(m) for m in (first, second)}
        self.admin = self.configs[first.name].layout.admin_kubeconfig
        # The reference's containerd, where it was built: some tests need one newer than the distribution's.
        self.environment = {"PATH": f"{reference.folder()}:{os.environ['PATH']}"}

    @staticmethod
    def _config(machine: Machine) -> ClusterConfig:
        data, run = (str(machine.folder / name) for name in ("data", "run"))
        return ClusterConfig(nodeName=machine.name, address=machine.address, dataDir=data, runDir=run)

    def up(self) -> None:
        config = self.configs[self.first.name]
        path = self.first.folder / "cluster.yaml"
        wanted = ("nodeName", "address", "dataDir", "runDir")
        path.write_text(json.dumps({name: getattr(config, name) for name in wanted}))
        words = programs.umiak("up", f"--config={path}")
        search = f"PATH={self.environment['PATH']}"
        sys.stdout.write(self.first.run("env", search, *words, seconds=120))

    def up_with_original(self) -> None:
        """The same by hand, with kube-apiserver and etcd in place of our server. Raises reference.Missing."""
        config, machine = self.configs[self.first.name], self.first
        keys = config.layout.server
        config.layout.make()
        names = identity.names("10.96.0.1", config.clusterDomain, "0.0.0.0", machine.address)
        made = identity.prepare(keys, datetime.now(UTC), *names)
        (keys / "sa.pub").write_text(pki.public_key(made.signing_key))
        credentials.write_all(config, made.authority)
        self._kubeconfig(made.authority, self.admin, "kubernetes-admin", "system:masters")
        machine.start("etcd", reference.etcd(config.layout.data / "etcd", ETCD_PORT))
        machine.start("apiserver", reference.apiserver(keys, ETCD_PORT, config.address, config.port))
        words = (reference.program("kubectl"), f"--kubeconfig={self.admin}", "get", "--raw=/readyz")
        machine.wait_until(*words, seconds=90, pause=0.3)
        machine.run(sys.executable, "-c", PERMIT, str(self.admin))
        self._agent(config, machine)
        machine.start("controllers", programs.controllers(config), programs.ENVIRONMENT)

    def join(self) -> None:
        """A second node, as its administrator would do it by hand: credentials, container runtime, agent."""
        config = self.configs[self.second.name]
        config.layout.make()
        self._credentials(config)
        self._agent(config, self.second)
        self._connect_pods()

    def _agent(self, config: ClusterConfig, machine: Machine) -> None:
        layout = config.layout
        machine.run(sys.executable, "-c", SETTLE, str(layout.before))
        containerd.prepare(layout)
        words = ["containerd", "--config", str(layout.containerd / "config.toml")]
        machine.start("containerd", words, self.environment)
        asyncio.run(containerd.ready(layout))
        asyncio.run(containerd.import_pause(layout))
        machine.start("node", programs.node(config), {**programs.ENVIRONMENT, **self.environment})

    def _credentials(self, config: ClusterConfig) -> None:
        keys = self.configs[self.first.name].layout.server
        shutil.copy(keys / "ca.crt", config.layout.server)
        authority = pki.Pair((keys / "ca.crt").read_text(), (keys / "ca.key").read_text())
        self._kubeconfig(authority, config.layout.kubeconfig("node"), f"system:node:{config.nodeName}", "system:nodes")
        self._kubeconfig(authority, config.layout.kubeconfig("network"), "system:kube-proxy", credentials.NETWORK)

    def _kubeconfig(self, authority: pki.Pair, path: Path, user: str, group: str) -> None:
        pair = pki.issue(authority, user, (group,), client=True, days=2, now=datetime.now(UTC))
        how = kubeconfig.Config(
            server=f"https://{self.first.address}:{self.configs[self.first.name].port}",
            ca_pem=authority.certificate_pem,
            certificate_pem=pair.certificate_pem,
            key_pem=pair.key_pem,
        )
        kubeconfig.write(str(path), how, user=user)

    def _connect_pods(self) -> None:
        """Each machine's way to the pods of the other."""
        for name in NODES:
            self.kubectl("wait", "--for=create", f"node/{name}", "--timeout=60s")
            self.kubectl("wait", "--for=condition=Ready", f"node/{name}", "--timeout=60s")
        for there, here in ((self.first, self.second), (self.second, self.first)):
            pods = self.get("node", there.name)["spec"]["podCIDR"]
            here.run("ip", "route", "add", pods, "via", there.address)

    def mirror(self, archives: Sequence[Path]) -> None:
        """Serves the images on each machine's loopback in place of their registry."""
        files = [str(path.resolve()) for path in archives]
        for machine in (self.first, self.second):
            hosts = mirror.HOSTS.format(registry=REGISTRY, port=MIRROR_PORT)
            machine.run("sh", "-c", TELL, REGISTRY, hosts)
            machine.start("mirror", [sys.executable, mirror.__file__, str(MIRROR_PORT), *files])

    def import_images(self, archives: Sequence[Path]) -> None:
        for config in self.configs.values():
            for path in archives:
                asyncio.run(import_archive(str(path), str(config.layout.runtime_socket)))

    def kubectl(self, *words: str) -> str:
        return self.first.run(reference.program("kubectl"), f"--kubeconfig={self.admin}", *words, seconds=90)

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))


@contextmanager
def make(folder: Path, apiserver: str = OURS) -> Iterator[Cluster]:
    """Everything stops at the end; logs stay in `folder`, whose path must be short. Raises reference.Missing."""
    folders = {name: folder / name for name in NODES}
    for path in folders.values():
        path.mkdir()
    with Switch() as switch:
        machines = [Machine(folders[name], name, address) for name, address in NODES.items()]
        with machines[0] as first, machines[1] as second:
            for machine in machines:
                switch.plug(machine)
            cluster = Cluster(folder, first, second)
            if apiserver == REFERENCE:
                cluster.up_with_original()
            else:
                cluster.up()
            cluster.join()
            yield cluster
    forget(folder)


def forget(folder: Path) -> None:
    """Removes what containers left on the disk; the kernel may need a moment to let go."""
    for name in NODES:
        for part in ("data/containerd", "data/node", "data/volumes", "data/etcd", "changed", "work", "run"):
            shutil.rmtree(folder / name / part, ignore_errors=True)


def run(machine: Machine, command: Sequence[str], log: Path, environment: dict[str, str]) -> int:
    """A long program in a machine; its exit code. What it prints goes into `log`."""
    with log.open("wb") as file:
        return subprocess.run(
            machine.inside(*command),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, **environment},
            check=False,
        ).returncode
