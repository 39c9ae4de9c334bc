"""kube-apiserver with its etcd, on loopback and alone, beside ours."""

import json
import os
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

from umiak.kit.ports import free_ports
from umiak.testing import reference
from umiak.testing.patience import LONG, until

TOKENS = """admintoken,admin,admin,system:masters
anntoken,ann,ann-uid,"dev,ops"
"""


@contextmanager
def running(command, log, environment=None):
    with Path(log).open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **(environment or {})})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def ready(port, process, log):
    until(lambda: call(port, "GET", "/readyz", None, {})[0] == 200, programs=[process], logs=[Path(log)])


def listens(port, process, log):
    def answers():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    until(answers, programs=[process], logs=[Path(log)])


def call(port, method, path, body, headers):
    sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    wanted = {"Authorization": "Bearer admintoken", "User-Agent": "test", **headers}
    if sent:
        wanted.setdefault("Content-Type", "application/json")
    wanted = {name: value for name, value in wanted.items() if value}
    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", sent, wanted, method=method)
    try:
        answer = urllib.request.urlopen(request, context=ssl._create_unverified_context(), timeout=LONG)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return answer.status, answer.read()


def original(stack: ExitStack, folder: Path, *flags: str) -> tuple[int, int]:
    """Ports of the API server and of its etcd; both end with `stack`. Raises reference.Missing."""
    (folder / "tokens.csv").write_text(TOKENS)
    key = folder / "sa.key"
    etcd_port, _, port = free_ports(3)
    command = [
        reference.program("kube-apiserver"),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--cert-dir={folder}/certs",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        f"--token-auth-file={folder}/tokens.csv",
        "--authorization-mode=Node,RBAC",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={folder}/sa.pub",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged=true",
        *flags,
    ]
    etcd = reference.etcd(folder / "etcd", etcd_port)
    for words in (["genrsa", "-out", key, "2048"], ["rsa", "-in", key, "-pubout", "-out", folder / "sa.pub"]):
        subprocess.run(["openssl", *words], check=True, capture_output=True)
    store = stack.enter_context(running(etcd, folder / "etcd.out"))
    listens(etcd_port, store, folder / "etcd.out")
    process = stack.enter_context(running(command, folder / "api.out"))
    ready(port, process, folder / "api.out")
    return port, etcd_port
