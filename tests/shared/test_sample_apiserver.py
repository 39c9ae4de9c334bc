"""The original's sample-apiserver behind `umiak server`, as its README registers it, with kubectl in front.

It authenticates and authorizes by asking us, with the rights that its README gives it and no more.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from umiak.client import kubeconfig
from umiak.kit import pki
from umiak.kit.ports import free_ports
from umiak.testing import reference
from umiak.testing.patience import LONG, until

pytestmark = [pytest.mark.shared, pytest.mark.slow]
GROUP = "wardle.example.com"
TOKENS = "wardletoken,wardle,w\nines,ines,i\n"
RIGHTS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: wardle}
rules:
- {apiGroups: [""], resources: [namespaces], verbs: [get, watch, list]}
- apiGroups: [admissionregistration.k8s.io]
  resources: ["*"]
  verbs: [get, watch, list]
- apiGroups: [flowcontrol.apiserver.k8s.io]
  resources: [prioritylevelconfigurations, flowschemas]
  verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: wardle}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: wardle}
subjects: [{kind: User, name: wardle}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "wardle:system:auth-delegator"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: system:auth-delegator}
subjects: [{kind: User, name: wardle}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: wardle-auth-reader, namespace: kube-system}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: extension-apiserver-authentication-reader}
subjects: [{kind: User, name: wardle}]
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: default}
spec: {type: ExternalName, externalName: localhost}
"""
REGISTRATION = """
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: {version}.wardle.example.com}}
spec:
  group: wardle.example.com
  version: {version}
  groupPriorityMinimum: 1000
  versionPriority: {priority}
  insecureSkipTLSVerify: true
  service: {{name: api, namespace: default, port: {port}}}
"""
FLUNDER = """
apiVersion: wardle.example.com/v1alpha1
kind: Flunder
metadata: {name: one, labels: {sample: "true"}}
spec: {reference: other}
"""


class Served:
    """kubectl as the administrator, or with somebody's token."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def command(self, *words: str, token: str = "") -> list[str]:
        admin = str(self.folder / "admin.kubeconfig")
        who = [f"--server={self.url}", "--insecure-skip-tls-verify", f"--token={token}", "--kubeconfig=/dev/null"]
        return [reference.program("kubectl"), *(who if token else [f"--kubeconfig={admin}"]), *words]

    def kubectl(self, *words: str, stdin: str = "", token: str = "", check: bool = True) -> str:
        told = {**os.environ, "HOME": str(self.folder)}
        done = subprocess.run(
            self.command(*words, token=token), input=stdin, capture_output=True, text=True, timeout=LONG, env=told
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout if check else done.stderr

    def get(self, *words: str) -> Any:
        return json.loads(self.kubectl("get", "-o", "json", *words))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The sample behind ours, with its API services available."""
    try:
        for name in ("sample-apiserver", "etcd", "kubectl"):
            reference.program(name)
    except reference.Missing as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("sample")
    etcd, _, port, behind = free_ports(4)
    (folder / "tokens.csv").write_text(TOKENS)
    ours = [sys.executable, "-m", "umiak.cli.main", "server", f"--data-dir={folder}", f"--port={port}"]
    url = f"https://127.0.0.1:{port}"
    running: list[subprocess.Popen[bytes]] = []

    def come(look: Callable[[], bool]) -> None:
        until(look, LONG, programs=running, logs=[folder / f"{name}.log" for name in ("umiak", "etcd", "sample")])

    def start(name: str, command: list[str]) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder))

    try:
        start("umiak", [*ours, f"--token-file={folder}/tokens.csv"])
        start("etcd", reference.etcd(folder / "etcd", etcd))
        found = Served(folder, url)
        come(lambda: found.kubectl("get", "--raw=/readyz") == "ok")
        found.kubectl("apply", "-f", "-", stdin=RIGHTS)
        start("sample", _sample(folder, url, behind, etcd))
        for version, priority in (("v1alpha1", 10), ("v1beta1", 20)):
            manifest = REGISTRATION.format(version=version, priority=priority, port=behind)
            found.kubectl("apply", "-f", "-", stdin=manifest)
        for version in ("v1alpha1", "v1beta1"):
            come(lambda version=version: _is_available(found, f"{version}.{GROUP}"))
        yield found
    finally:
        for process in running:
            process.terminate()
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            process.wait()


def _sample(folder: Path, url: str, port: int, etcd: int) -> list[str]:
    now = datetime.now(UTC)
    authority = (folder / "ca.crt").read_text()
    own = pki.issue(pki.new_authority("sample", 1, now), "api", dns=["localhost"], server=True, days=1, now=now)
    (folder / "sample.crt").write_text(own.certificate_pem)
    (folder / "sample.key").write_text(own.key_pem)
    config = folder / "wardle.kubeconfig"
    kubeconfig.write(str(config), kubeconfig.Config(server=url, ca_pem=authority, token="wardletoken"))
    return [
        reference.program("sample-apiserver"),
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        f"--tls-cert-file={folder}/sample.crt",
        f"--tls-private-key-file={folder}/sample.key",
        *(f"--{flag}={config}" for flag in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")),
    ]


def _is_available(served: Served, name: str) -> bool:
    (condition,) = served.get("apiservice", name)["status"]["conditions"]
    return bool(condition["reason"] == "Passed")


def test_flunders_come_change_and_go(served):
    served.kubectl("create", "-f", "-", stdin=FLUNDER)
    assert served.get("flunders.v1beta1.wardle.example.com", "one")["spec"]["flunderReference"] == "other"
    served.kubectl("patch", "flunder", "one", "--type=merge", '-p={"metadata":{"labels":{"a":"b"}}}')
    served.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=FLUNDER)
    found = served.get("flunders", "-l", "a=b", "--all-namespaces")
    assert [item["metadata"]["name"] for item in found["items"]] == ["one"]
    served.kubectl("delete", "flunder", "one")
    assert 'flunders.wardle.example.com "one" not found' in served.kubectl("get", "flunder", "one", check=False)


def test_flunders_are_watched(served):
    command = served.command("get", "flunders", "--watch", "--output-watch-events", "--no-headers")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        served.kubectl("create", "-f", "-", stdin=FLUNDER.replace("one", "seen"))
        assert watch.stdout.readline().split()[:2] == ["ADDED", "seen"]
        served.kubectl("delete", "flunder", "seen")
        assert watch.stdout.readline().split()[:2] == ["DELETED", "seen"]
        watch.terminate()


def test_discovery_and_schemas_are_ours_too(served):
    names = served.kubectl("api-resources", f"--api-group={GROUP}", "-o", "name").split()
    assert sorted(names) == [f"fischers.{GROUP}", f"flunders.{GROUP}"]
    explained = served.kubectl("explain", "flunder.spec.reference", f"--api-version={GROUP}/v1alpha1")
    assert "FIELD: reference <string>" in explained
    odd = FLUNDER.replace("reference", "odd")
    refused = served.kubectl("create", "--validate=strict", "-f", "-", stdin=odd, check=False)
    assert 'unknown field "spec.odd"' in refused


def test_who_may_what_is_decided_by_ours(served):
    refused = served.kubectl("get", "flunders", token="ines", check=False)
    assert 'User "ines" cannot list resource "flunders" in API group "wardle.example.com"' in refused
    served.kubectl("create", "clusterrole", "look", "--verb=list", f"--resource=flunders.{GROUP}")
    served.kubectl("create", "clusterrolebinding", "look", "--clusterrole=look", "--user=ines")
    assert json.loads(served.kubectl("get", "flunders", "-o", "json", token="ines"))["kind"] == "List"


def test_its_own_plugins_judge(served):
    """Its BanFlunder plugin knows the fischers by a watch of its own."""
    about = "apiVersion: wardle.example.com/v1alpha1\nkind: Fischer\nmetadata: {name: f}\n"
    served.kubectl("create", "-f", "-", stdin=f"{about}disallowedFlunders: [banned]")
    banned = FLUNDER.replace("one", "banned")
    until(lambda: "this name may not be used" in served.kubectl("create", "-f", "-", stdin=banned, check=False))
