"""controller-runtime: its examples as they are, and its own suites on the programs of `umiak envtest-assets`."""

import base64
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from go_programs import MODULE, Program, built, suite

from umiak.kit import pki
from umiak.testing import patience

SECONDS = 900
PATIENT = {
    "GOMEGA_DEFAULT_EVENTUALLY_TIMEOUT": f"{patience.LONG:g}s",
    "KUBEBUILDER_CONTROLPLANE_START_TIMEOUT": f"{patience.LONG:g}s",
    "KUBEBUILDER_CONTROLPLANE_STOP_TIMEOUT": f"{patience.LONG:g}s",
}
"""Its suites wait for a second where nothing else is said."""
METRICS, WEBHOOKS = 8080, 9443
"""Where the examples listen; they take no flags."""
SUITES = {
    "pkg-client.test": 311,
    "pkg-envtest.test": 28,
    "pkg-webhook.test": 8,
}
LONG = {
    "pkg-builder.test": 72,
    "pkg-cache.test": 276,
    "pkg-controller.test": 32,
    "pkg-manager.test": 107,
}
"""How many specs of each pass; upstream leaves some pending."""
CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "chaospods.chaosapps.metamagical.io"},
    "spec": {
        "group": "chaosapps.metamagical.io",
        "scope": "Namespaced",
        "names": {"plural": "chaospods", "singular": "chaospod", "kind": "ChaosPod"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}


@pytest.fixture(scope="session")
def assets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("assets")
    subprocess.run([sys.executable, "-m", "umiak.cli.main", "envtest-assets", str(folder)], check=True)
    return folder


@pytest.mark.parametrize(
    ("name", "specs"), [*SUITES.items(), *(pytest.param(*item, marks=pytest.mark.long) for item in LONG.items())]
)
def test_its_own_suites(assets: Path, tmp_path: Path, name: str, specs: int) -> None:
    program = built(name)
    asked = ["go", "list", "-f", "{{.Dir}}", suite(name)]
    folder = subprocess.run(asked, cwd=MODULE, capture_output=True, text=True, check=True).stdout.strip()
    given = os.environ.get("CLIENTS_KUBEBUILDER_ASSETS", str(assets))
    environment = {**os.environ, **PATIENT, "KUBEBUILDER_ASSETS": given, "TMPDIR": str(tmp_path)}
    words = [program, "-ginkgo.no-color", "-ginkgo.flake-attempts=3"]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert f"{specs} Passed | 0 Failed" in done.stdout, done.stdout[-10000:]


@pytest.fixture
def certificates(tmp_path: Path) -> str:
    """Where controller-runtime looks for them, below $TMPDIR. Returns the authority's, in base64."""
    now = datetime.now(UTC)
    authority = pki.new_authority("hooks", 7, now)
    pair = pki.issue(authority, "hook", ips=["127.0.0.1"], server=True, days=7, now=now)
    folder = tmp_path / "k8s-webhook-server" / "serving-certs"
    folder.mkdir(parents=True)
    (folder / "tls.crt").write_text(pair.certificate_pem)
    (folder / "tls.key").write_text(pair.key_pem)
    return base64.b64encode(authority.certificate_pem.encode()).decode()


@pytest.fixture
def manager(request: pytest.FixtureRequest, kubectl: Program, certificates: str) -> Iterator[None]:
    """One of the examples, running; it has to end well when told to."""
    for port in (METRICS, WEBHOOKS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"the example listens on port {port}, which is taken here")
    program, log = built(request.param), kubectl.folder / "log"
    environment = {**kubectl.environment, "TMPDIR": str(kubectl.folder)}
    with log.open("w") as out:
        process = subprocess.Popen([program], env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield
        process.terminate()
        assert process.wait(patience.LONG) == 0, log.read_text()[-5000:]
    finally:
        process.kill()


def webhook(sort: str, namespace: str, bundle: str) -> str:
    """The configuration that makes the server ask the example of pods in one namespace."""
    path = {"Mutating": "mutate", "Validating": "validate"}[sort]
    hook = {
        "name": "pods.clients.test",
        "clientConfig": {"url": f"https://127.0.0.1:{WEBHOOKS}/{path}--v1-pod", "caBundle": bundle},
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    kind = f"{sort}WebhookConfiguration"
    about = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": namespace}}
    return json.dumps({**about, "webhooks": [hook]})


@pytest.mark.parametrize("manager", ["example-builtins"], indirect=True)
def test_the_example_of_built_in_kinds(manager: None, kubectl: Program, certificates: str) -> None:
    """It labels replica sets, annotates pods, and refuses those that are not annotated as it wants."""
    kubectl("create", "deployment", "web", "--image=web")
    kubectl("wait", "--for=jsonpath={.metadata.labels.hello}=world", "replicasets", "--all", "--timeout=300s")
    validating, mutating = (webhook(sort, kubectl.namespace, certificates) for sort in ("Validating", "Mutating"))
    kubectl("apply", "-f", "-", given=validating)
    try:
        refusal = "denied the request: missing annotation example-mutating-admission-webhook"
        patience.until(lambda: refusal in kubectl.fails("run", "p", "--image=p"))  # once the example listens
        kubectl("apply", "-f", "-", given=mutating)
        kubectl("run", "p", "--image=p")
        asked = "jsonpath={.metadata.annotations.example-mutating-admission-webhook}"
        assert kubectl("get", "pod", "p", "-o", asked) == "foo"
    finally:
        for given in (validating, mutating):
            kubectl("delete", "--ignore-not-found", "-f", "-", given=given)


@pytest.fixture
def chaospods(kubectl_program: Program) -> Iterator[None]:
    kubectl_program("apply", "-f", "-", given=json.dumps(CRD))
    kubectl_program("wait", "--for=condition=Established", f"crd/{CRD['metadata']['name']}", "--timeout=300s")
    yield
    kubectl_program("delete", "-f", "-", given=json.dumps(CRD))


@pytest.mark.parametrize("manager", ["example-crd"], indirect=True)
def test_the_example_of_a_custom_kind(chaospods: None, manager: None, kubectl: Program) -> None:
    """It makes the pod that a ChaosPod describes."""
    pod = {"containers": [{"name": "p", "image": "p"}]}
    about = {"apiVersion": "chaosapps.metamagical.io/v1", "kind": "ChaosPod", "metadata": {"name": "chaos"}}
    kubectl("create", "-f", "-", given=json.dumps({**about, "spec": {"template": {"spec": pod}}}))
    kubectl("wait", "--for=create", "pod/chaos", "--timeout=300s")
    kubectl("wait", "--for=jsonpath={.status.lastRun}", "chaospod/chaos", "--timeout=300s")
    assert kubectl("get", "pod", "chaos", "-o", "jsonpath={.metadata.ownerReferences[0].kind}") == "ChaosPod"
