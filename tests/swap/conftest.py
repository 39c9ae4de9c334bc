"""One cluster per scenario, on a machine of its own: some parts ours, some the original's."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from umiak.cli.machine import containerd, credentials, programs
from umiak.cli.machine.config import ClusterConfig
from umiak.client import kubeconfig
from umiak.kit import pki
from umiak.network import cni
from umiak.server import identity
from umiak.testing import reference
from umiak.testing.machine import Machine

GUESTBOOK = Path(__file__).parents[2] / "examples/guestbook"
JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"
FIRST_RANGE = "10.244.0.0/24"
"""What the only node of a new cluster gets of the pods' addresses."""
ETCD_PORT = 2379
ORIGINALS = {
    "etcd": ["etcd"],
    "apiserver": ["kube-apiserver", "etcd"],
    "controllers": ["kube-controller-manager"],
    "scheduler": ["kube-scheduler"],
    "kubelet": ["kubelet", "containerd", "containerd-shim-runc-v2"],
    "proxy": ["kube-proxy"],
    "dns": ["coredns"],
}
PARTS = ("apiserver", "controllers", "scheduler", "kubelet", "proxy", "dns")


class Cluster:
    """Starts parts; each `ours_`/`original_` method starts one, none waits longer than it must."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.config = ClusterConfig(
            nodeName=machine.name,
            address=machine.address,
            dataDir=str(machine.folder / "data"),
            runDir=str(machine.folder / "run"),
        )
        self.layout = self.config.layout
        self.layout.make()
        self.keys = self.layout.server
        names = identity.names("10.96.0.1", "cluster.local", "0.0.0.0", machine.address)
        self.identity = identity.prepare(self.keys, datetime.now(UTC), *names)
        (self.keys / "sa.pub").write_text(pki.public_key(self.identity.signing_key))
        credentials.write_all(self.config, self.identity.authority)
        self.admin = self.credential("admin", "kubernetes-admin", "system:masters")

    def credential(self, part: str, user: str, *groups: str) -> Path:
        """A kubeconfig of a user of the cluster."""
        pair = pki.issue(self.identity.authority, user, groups, client=True, days=2, now=datetime.now(UTC))
        path = self.layout.kubeconfig(part)
        server = f"https://127.0.0.1:{self.config.port}"
        ca = self.identity.authority.certificate_pem
        how = kubeconfig.Config(server=server, ca_pem=ca, certificate_pem=pair.certificate_pem, key_pem=pair.key_pem)
        kubeconfig.write(str(path), how, user=part)
        return path

    def kubectl(self, *words: str, seconds: float = 60.0, check: bool = True) -> str:
        command = (reference.program("kubectl"), f"--kubeconfig={self.admin}", *words)
        return self.machine.run(*command, seconds=seconds, check=check)

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def wait_for(self, *words: str, seconds: float = 60.0) -> str:
        """Repeats a kubectl command until it succeeds."""
        command = (reference.program("kubectl"), f"--kubeconfig={self.admin}", *words)
        return self.machine.wait_until(*command, seconds=seconds, pause=0.3)

    # ----- the API server

    def our_apiserver(self) -> None:
        self.machine.start("server", programs.server(self.config))
        self.wait_for("get", "--raw=/readyz", seconds=10)
        self._permissions()

    def original_apiserver(self) -> None:
        self.machine.start("etcd", reference.etcd(self.layout.data / "etcd", ETCD_PORT))
        command = reference.apiserver(self.keys, ETCD_PORT, self.config.address, self.config.port)
        self.machine.start("apiserver", command)
        self.wait_for("get", "--raw=/readyz", seconds=60)
        self._permissions()

    def _permissions(self) -> None:
        """Of our parts, as `umiak up` makes them."""
        code = "import asyncio, sys; from umiak.cli._part import connect; from umiak.cli.machine import objects\n"
        code += "asyncio.run(objects.apply(connect(sys.argv[1], 'up')))"
        self.machine.run(sys.executable, "-c", code, str(self.admin))

    # ----- controllers and scheduler

    def our_controllers(self, which: str = "*") -> None:
        words = [w for w in programs.controllers(self.config) if w != "--with-scheduler"]
        self.machine.start(f"controllers-{len(self.machine.programs)}", [*words, f"--controllers={which}"])

    def original_controllers(self, content: str) -> None:
        path = self.credential("controller-manager", "system:kube-controller-manager")
        command = reference.controllers(path, self.keys, self.config.podCIDR, content)
        self.machine.start("controllers", command)

    def our_scheduler(self) -> None:
        path = self.layout.kubeconfig("controllers")
        self.machine.start("scheduler", programs.umiak("scheduler", f"--kubeconfig={path}"))

    def original_scheduler(self, content: str) -> None:
        path = self.credential("scheduler", "system:kube-scheduler")
        self.machine.start("scheduler", reference.scheduler(path, content))

    # ----- the node

    def runtime(self, major: int) -> None:
        """containerd 1 is the distribution's, 2 the reference's."""
        original = str(reference.folder())
        text = containerd.settings(
            self.layout,
            major=major,
            restrict_oom=not containerd.may_lower_oom_score(),
            systemd_cgroup=False,
            cni_bin=containerd.cni_folder(),
        )
        path = self.layout.containerd / "config.toml"
        path.write_text(text)
        search = f"{original}:{os.environ['PATH']}" if major == 2 else os.environ["PATH"]
        program = shutil.which("containerd", path=search)
        assert program is not None
        self.machine.start("containerd", [program, "--config", str(path)], {"PATH": search})
        self.machine.wait_until("ctr", "-a", str(self.layout.runtime_socket), "version")

    def import_images(self, archives: Sequence[Path]) -> None:
        for archive in archives:
            socket = str(self.layout.runtime_socket)
            self.machine.run("ctr", "-a", socket, "-n", "k8s.io", "images", "import", str(archive))

    def our_node(self, *, network: bool = True) -> None:
        words = programs.node(self.config)
        if not network:
            words = [w for w in words if not w.startswith(("--with-network", "--cni-config"))]
            self._pod_network()
        self.machine.start("node", words)

    def original_node(self, content: str) -> None:
        self._pod_network()
        for top in CGROUPS:
            (top / self.machine.name).mkdir(exist_ok=True)
        command = reference.kubelet(
            self.layout.kubeconfig("node"),
            self.keys,
            self.layout.node,
            node=self.machine.name,
            address=self.config.address,
            runtime=self.config.runtime_endpoint,
            content_type=content,
        )
        self.machine.start("node", command)

    def _pod_network(self) -> None:
        cni.write(self.layout.cni_config, cni.conflist([FIRST_RANGE]))

    def made_volume(self) -> None:
        """A volume made by hand: the provisioner of ours makes them only together with our node agent."""
        folder = self.layout.volumes / "made"
        folder.mkdir()
        self._apply("storage", storage_objects(folder, self.machine.name))

    def _apply(self, name: str, objects: Sequence[dict[str, Any]]) -> None:
        path = self.machine.folder / f"{name}.json"
        path.write_text("\n".join(map(json.dumps, objects)))
        self.kubectl("apply", "-f", str(path))

    # ----- services and names

    def our_proxy(self) -> None:
        path = self.layout.kubeconfig("network")
        name = f"--name={self.machine.name}"
        self.machine.start("proxy", programs.umiak("proxy", f"--kubeconfig={path}", name))

    def original_proxy(self) -> None:
        path = self.credential("proxy", "system:kube-proxy")
        self.machine.start("proxy", reference.proxy(path, self.machine.name, self.config.podCIDR))

    def our_dns(self) -> None:
        words = ("--announce", f"--bind={self.config.address}", f"--name={self.machine.name}")
        path = self.layout.kubeconfig("network")
        self.machine.start("dns", programs.umiak("dns", f"--kubeconfig={path}", *words))

    def original_dns(self) -> None:
        folder = self.machine.folder
        self.machine.start("dns", reference.coredns(self.admin, folder, self.config.address, 10053))
        self._apply("kube-dns", dns_objects(self.config.address))


def dns_objects(address: str) -> list[dict[str, Any]]:
    """The Service of cluster DNS, with a server outside of any pod behind it."""
    ports = [("dns", "UDP"), ("dns-tcp", "TCP")]
    about = {"name": "kube-dns", "namespace": "kube-system"}
    served = [{"name": n, "port": 53, "targetPort": 10053, "protocol": p} for n, p in ports]
    service = {"clusterIP": "10.96.0.10", "ports": served}
    labels = {"kubernetes.io/service-name": "kube-dns"}
    piece = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {**about, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address]}],
        "ports": [{"name": n, "port": 10053, "protocol": p} for n, p in ports],
    }
    return [{"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": service}, piece]


def storage_objects(folder: Path, node: str) -> list[dict[str, Any]]:
    """The default storage class, and one local volume of it."""
    provisioner = {"provisioner": "kubernetes.io/no-provisioner", "volumeBindingMode": "WaitForFirstConsumer"}
    default = {"name": "made", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}}
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "made",
        "local": {"path": str(folder)},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
    }
    return [
        {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": default, **provisioner},
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "made"}, "spec": spec},
    ]


CGROUPS = [p for p in Path("/sys/fs/cgroup").glob("*") if p.is_dir() and (p / "cgroup.procs").exists()]


def remove_cgroups(name: str) -> None:
    for top in CGROUPS:
        for folder, _, _ in os.walk(top / name, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Archives of the sandbox and of the guestbook's images."""
    from umiak.node.images import archive, pause, recipe
    from umiak.node.images.layer import Layer

    folder = tmp_path_factory.mktemp("images")
    layer = Layer()
    layer.file("pause", pause.program("amd64"))
    sandbox = archive.archive(containerd.PAUSE, [layer], archive.Settings(entrypoint=["/pause"]), "amd64")
    (folder / "pause.tar").write_bytes(sandbox)
    for name in ("web", "store"):
        try:
            found = recipe.read(GUESTBOOK / name)
            data = archive.archive(found.name, [recipe.assemble(found)], found.settings, "amd64")
        except recipe.BadRecipe as error:
            pytest.skip(f"cannot build the guestbook: {error}")
        (folder / f"{name}.tar").write_bytes(data)
    return sorted(folder.glob("*.tar"))


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A machine with nothing started; its logs are shown when the test fails."""
    needs_root_and_programs()
    folder = Path(tempfile.mkdtemp(prefix="umiak-swap-"))
    name = f"swap-{os.getpid()}"
    try:
        with Machine(folder, name) as machine:
            yield Cluster(machine)
            if request.node.stash.get(FAILED, False):
                show(folder)
    finally:
        subprocess.run(["sh", "-c", "sleep 0.2"], check=False)
        remove_cgroups(name)
        if "KEEP" not in os.environ:
            shutil.rmtree(folder, ignore_errors=True)


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report


def show(folder: Path) -> None:
    """The end of each program's log, for pytest to print."""
    for path in sorted(folder.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()
        if path.name not in ("etcd.log", "containerd.log"):
            sys.stdout.write("\n".join([f"--- {path.name}", *lines[-30:], ""]))


def needs_root_and_programs() -> None:
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("needs root on Linux")
    for name in ("unshare", "nsenter", "setpriv", "runc", "nft", "ctr"):
        if shutil.which(name) is None:
            pytest.skip(f"needs {name}")
    try:
        for name in ("kubectl", *(p for wanted in ORIGINALS.values() for p in wanted)):
            reference.program(name)
    except reference.Missing as error:
        pytest.skip(str(error))
