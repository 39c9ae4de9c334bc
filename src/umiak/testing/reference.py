"""Command lines of the original's programs (kube-apiserver, kubelet, ...), for tests that swap a part for its original.

They are looked for in `$REFERENCE/bin`, or `~/.cache/reference/bin`. Every path is given by the caller.
"""

import os
from pathlib import Path


class Missing(Exception):
    """A program of the reference is not on this machine; the text names it."""


def folder() -> Path:
    return Path(os.environ.get("REFERENCE") or Path.home() / ".cache/reference") / "bin"


def program(name: str) -> str:
    """The program's path. Raises Missing."""
    path = folder() / name
    if not path.exists():
        raise Missing(f"no {name} in {folder()}")
    return str(path)


def etcd(data: Path, port: int) -> list[str]:
    """On loopback; `port + 1` is for its peers."""
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port + 1}"
    return [
        program("etcd"),
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def apiserver(keys: Path, etcd_port: int, address: str, port: int) -> list[str]:
    """`keys` is a folder as `umiak server` makes one: ca, apiserver, kubelet-client, sa.key; also sa.pub."""
    return [
        program("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--secure-port={port}",
        f"--advertise-address={address}",
        f"--client-ca-file={keys}/ca.crt",
        f"--tls-cert-file={keys}/apiserver.crt",
        f"--tls-private-key-file={keys}/apiserver.key",
        f"--kubelet-client-certificate={keys}/kubelet-client.crt",
        f"--kubelet-client-key={keys}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={keys}/sa.pub",
        f"--service-account-signing-key-file={keys}/sa.key",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged=true",
    ]


def controllers(kubeconfig: Path, keys: Path, pods: str, content_type: str) -> list[str]:
    """Each controller under a service account of its own, as kubeadm has it."""
    return [
        program("kube-controller-manager"),
        f"--kubeconfig={kubeconfig}",
        f"--kube-api-content-type={content_type}",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={keys}/sa.key",
        f"--root-ca-file={keys}/ca.crt",
        f"--cluster-signing-cert-file={keys}/ca.crt",
        f"--cluster-signing-key-file={keys}/ca.key",
        "--allocate-node-cidrs=true",
        f"--cluster-cidr={pods}",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def scheduler(kubeconfig: Path, content_type: str) -> list[str]:
    return [
        program("kube-scheduler"),
        f"--kubeconfig={kubeconfig}",
        f"--kube-api-content-type={content_type}",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def proxy(kubeconfig: Path, node: str, pods: str) -> list[str]:
    return [
        program("kube-proxy"),
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node}",
        "--proxy-mode=nftables",
        f"--cluster-cidr={pods}",
        "--conntrack-max-per-core=0",
        "--metrics-bind-address=",
    ]


KUBELET = """\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
cgroupRoot: {cgroup}
failSwapOn: false
contentType: {content_type}
authentication:
  anonymous: {{enabled: false}}
  webhook: {{enabled: true}}
  x509: {{clientCAFile: {keys}/ca.crt}}
authorization: {{mode: Webhook}}
clusterDNS: [{dns}]
clusterDomain: cluster.local
containerRuntimeEndpoint: {runtime}
podLogsDir: {root}/logs
evictionHard: {{memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}}
imageGCHighThresholdPercent: 100
serializeImagePulls: false
"""
"""A control group root of its own: a kubelet ends all pods below its root that it does not know."""


def kubelet(
    kubeconfig: Path, keys: Path, root: Path, *, node: str, address: str, runtime: str, content_type: str
) -> list[str]:
    """Writes its configuration into the folder `root` too. The control group `/NODE` must be there."""
    wanted = {"keys": keys, "root": root, "runtime": runtime, "content_type": content_type}
    (root / "config.yaml").write_text(KUBELET.format(cgroup=f"/{node}", dns="10.96.0.10", **wanted))
    return [
        program("kubelet"),
        f"--config={root}/config.yaml",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={node}",
        f"--node-ip={address}",
        f"--root-dir={root}",
    ]


COREFILE = """\
cluster.local:{port} in-addr.arpa:{port} {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
    }}
}}
"""


def coredns(kubeconfig: Path, folder: Path, address: str, port: int) -> list[str]:
    """Writes its Corefile into `folder` too."""
    corefile = folder / "Corefile"
    corefile.write_text(COREFILE.format(port=port, address=address, kubeconfig=kubeconfig))
    return [program("coredns"), "-conf", str(corefile)]
