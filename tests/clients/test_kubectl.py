"""kubectl 1.37 as its users type it. Every expected line is what kubectl prints against Kubernetes' own API server."""

import base64
import json
import re
from pathlib import Path

import pytest
from go_programs import Program

from umiak.testing.patience import until

RBAC = "rbac.authorization.k8s.io"
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: red, size: big}
"""
WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "web:1", ports: [{containerPort: 80}]}]}
"""
CRD = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: NAMEs.clients.test}
spec:
  group: clients.test
  scope: Namespaced
  names: {plural: NAMEs, singular: NAME, kind: KIND, shortNames: [SHORT]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.size}}
    additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
    schema:
      openAPIV3Schema:
        type: object
        description: A boat.
        properties:
          spec:
            type: object
            required: [size]
            properties: {size: {type: integer, minimum: 1, description: How many fit in.}}
          status: {type: object, properties: {size: {type: integer}}}
"""


# Objects come and go


def test_create_generators(kubectl: Program) -> None:
    """The generators of `kubectl create`, one of each."""
    made = [
        ("configmap", "c", "--from-literal=a=1"),
        ("secret generic", "s", "--from-literal=password=x"),
        ("secret docker-registry", "d", "--docker-username=u", "--docker-password=p", "--docker-server=r.test"),
        ("deployment", "web", "--image=web", "--port=80"),
        ("service clusterip", "web", "--tcp=80:80"),
        ("service nodeport", "np", "--tcp=80"),
        ("service externalname", "ex", "--external-name=x.test"),
        ("job", "j", "--image=job"),
        ("cronjob", "cj", "--image=job", "--schedule=0 0 1 1 *"),
        ("ingress", "i", "--rule=x.test/*=web:80,tls=s"),
        ("quota", "q", "--hard=pods=50"),
        ("poddisruptionbudget", "p", "--selector=app=web", "--min-available=1"),
        ("serviceaccount", "sa"),
        ("role", "r", "--verb=get", "--resource=pods,deployments.apps"),
        ("rolebinding", "rb", "--role=r", "--serviceaccount=default:default"),
    ]
    for what, name, *flags in made:
        said = kubectl("create", *what.split(), name, *flags)
        assert re.fullmatch(rf"[\w.]+/{name} created\n", said), said
    token = kubectl("create", "token", "sa", "--duration=1h")
    assert token.count(".") == 2
    listed = kubectl("get", "all", "-o", "name")
    assert {"deployment.apps/web", "service/web", "job.batch/j", "cronjob.batch/cj"} <= set(listed.split())


def test_run_expose_and_logs_of_a_pod(kubectl: Program) -> None:
    assert kubectl("run", "box", "--image=box", "--labels=app=box", "--port=80") == "pod/box created\n"
    kubectl("wait", "--for=condition=Ready", "pod/box", "--timeout=300s")
    assert kubectl("expose", "pod", "box", "--port=80") == "service/box exposed\n"
    assert kubectl("get", "service", "box", "-o", "jsonpath={.spec.selector.app}") == "box"
    kubectl("wait", "--for=jsonpath={.subsets[0].addresses[0].ip}", "endpoints/box", "--timeout=300s")
    assert "box" in kubectl("describe", "pod", "box")
    until(lambda: "Scheduled" in kubectl("events", "--for", "pod/box"))
    assert "Scheduled" in kubectl("get", "events", "--field-selector=involvedObject.name=box")


def test_apply_twice_then_diff(kubectl: Program) -> None:
    assert kubectl("apply", "-f", "-", given=CONFIG) == "configmap/settings created\n"
    assert kubectl("apply", "-f", "-", given=CONFIG) == "configmap/settings unchanged\n"
    changed = CONFIG.replace("red", "blue").replace(", size: big", "")
    done = kubectl.run("diff", "-f", "-", given=changed)
    assert done.returncode == 1, done.stderr
    assert {"-  colour: red", "-  size: big", "+  colour: blue"} <= set(done.stdout.splitlines())
    assert kubectl("apply", "-f", "-", given=changed) == "configmap/settings configured\n"
    assert json.loads(kubectl("get", "cm", "settings", "-o", "jsonpath={.data}")) == {"colour": "blue"}
    assert kubectl.run("diff", "-f", "-", given=changed).returncode == 0
    assert '"colour":"blue"' in kubectl("apply", "view-last-applied", "cm/settings", "-o", "json").replace(" ", "")


def test_server_side_apply_and_its_conflict(kubectl: Program) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    assert kubectl(*apply, "--field-manager=a", given=CONFIG) == "configmap/settings serverside-applied\n"
    said = kubectl.fails(*apply, "--field-manager=b", given=CONFIG.replace("red", "blue"))
    assert 'Apply failed with 1 conflict: conflict with "a": .data.colour' in said
    forced = kubectl(*apply, "--field-manager=b", "--force-conflicts", given=CONFIG.replace("red", "blue"))
    assert forced == "configmap/settings serverside-applied\n"
    managers = kubectl(
        "get", "cm", "settings", "--show-managed-fields", "-o", "jsonpath={.metadata.managedFields[*].manager}"
    )
    assert managers.split() == ["a", "b"]


def test_client_side_apply_moves_to_server_side(kubectl: Program) -> None:
    kubectl("apply", "-f", "-", given=CONFIG)
    kubectl("apply", "--server-side", "-f", "-", given=CONFIG.replace(", size: big", ""))
    assert json.loads(kubectl("get", "cm", "settings", "-o", "jsonpath={.data}")) == {"colour": "red"}


def test_apply_prunes_what_left_the_set(kubectl: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    two = CONFIG + "---\n" + CONFIG.replace("name: settings", "name: other")
    kubectl("apply", "-f", "-", given=two)
    labelled = ("apply", "--prune", "-l", "set=one", "--prune-allowlist=core/v1/ConfigMap", "-f", "-")
    kubectl("label", "cm", "settings", "other", "set=one")
    marked = CONFIG.replace("{name: settings}", "{name: settings, labels: {set: one}}")
    assert "configmap/other pruned" in kubectl(*labelled, given=marked)


def test_dry_run_on_the_server_writes_nothing(kubectl: Program) -> None:
    said = kubectl("apply", "--dry-run=server", "-f", "-", given=CONFIG)
    assert said == "configmap/settings created (server dry run)\n"
    assert 'configmaps "settings" not found' in kubectl.fails("get", "cm", "settings")
    assert 'unknown field "spec.nonsense"' in kubectl.fails(
        "create", "--dry-run=server", "-f", "-", given=WEB.replace("replicas: 2", "nonsense: 2")
    )
    warned = kubectl.run("create", "--validate=warn", "-f", "-", given=WEB.replace("replicas: 2", "nonsense: 2"))
    assert 'Warning: unknown field "spec.nonsense"' in warned.stderr
    assert warned.returncode == 0


def test_edit_with_an_editor(kubectl: Program, tmp_path: Path) -> None:
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/colour: red/colour: green/" "$1"\n')
    editor.chmod(0o755)
    kubectl("apply", "-f", "-", given=CONFIG)
    editing = kubectl.within(kubectl.namespace, tmp_path, EDITOR=str(editor))
    assert editing("edit", "configmap", "settings") == "configmap/settings edited\n"
    assert kubectl("get", "cm", "settings", "-o", "jsonpath={.data.colour}") == "green"
    assert "Edit cancelled, no changes made." in editing.run("edit", "configmap", "settings").stderr


def test_patches(kubectl: Program) -> None:
    kubectl("create", "-f", "-", given=WEB)
    container = '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"web:2"}]}}}}'
    assert kubectl("patch", "deployment", "web", "-p", container) == "deployment.apps/web patched\n"
    kubectl("create", "-f", "-", given=CONFIG)
    red = '{"data":{"colour":"red"}}'
    assert kubectl("patch", "configmap", "settings", "-p", red) == "configmap/settings patched (no change)\n"
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={..containers[0].ports[0].containerPort}") == "80"
    kubectl("patch", "deployment", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":1}]')
    kubectl("patch", "deployment", "web", "--type=merge", "-p", '{"metadata":{"labels":{"app":null}}}')
    kubectl("patch", "deployment", "web", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":4}}')
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.spec.replicas} {.metadata.labels}") == "4 "
    said = kubectl.fails("patch", "deployment", "web", "--type=json", "-p", '[{"op":"test","path":"/a","value":1}]')
    assert "the server rejected our request" in said or "Invalid" in said


def test_labels_and_annotations(kubectl: Program) -> None:
    kubectl("apply", "-f", "-", given=CONFIG)
    assert kubectl("label", "cm", "settings", "tier=back") == "configmap/settings labeled\n"
    assert "error: 'tier' already has a value (back)" in kubectl.fails("label", "cm", "settings", "tier=front")
    kubectl("label", "cm", "settings", "tier=front", "--overwrite")
    assert kubectl("get", "cm", "-l", "tier in (front,back)", "-o", "name") == "configmap/settings\n"
    assert kubectl("label", "cm", "settings", "tier-") == "configmap/settings unlabeled\n"
    assert kubectl("annotate", "cm", "settings", "why=because") == "configmap/settings annotated\n"
    assert "why=because" in kubectl("annotate", "cm", "settings", "--list")


def test_replace_by_force(kubectl: Program) -> None:
    kubectl("create", "-f", "-", given=CONFIG)
    before = kubectl("get", "cm", "settings", "-o", "jsonpath={.metadata.uid}")
    assert kubectl("replace", "-f", "-", given=CONFIG) == "configmap/settings replaced\n"
    said = kubectl("replace", "--force", "-f", "-", given=CONFIG)
    assert said.splitlines()[-1] == "configmap/settings replaced"
    assert kubectl("get", "cm", "settings", "-o", "jsonpath={.metadata.uid}") != before


# Workloads


def test_rollouts(kubectl: Program) -> None:
    kubectl("create", "-f", "-", given=WEB)
    said = kubectl("rollout", "status", "deployment/web", "--timeout=300s")
    assert said.endswith('deployment "web" successfully rolled out\n')
    assert kubectl("set", "image", "deployment/web", "web=web:2") == "deployment.apps/web image updated\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=300s")
    assert re.search(r"^2 +<none>$", kubectl("rollout", "history", "deployment/web"), re.M)
    assert "Image:\tweb:1" in kubectl("rollout", "history", "deployment/web", "--revision=1")
    assert kubectl("rollout", "undo", "deployment/web") == "deployment.apps/web rolled back\n"
    assert kubectl("rollout", "pause", "deployment/web") == "deployment.apps/web paused\n"
    assert kubectl("rollout", "resume", "deployment/web") == "deployment.apps/web resumed\n"
    assert kubectl("rollout", "restart", "deployment/web") == "deployment.apps/web restarted\n"
    kubectl("rollout", "status", "deployment/web", "--timeout=300s")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={..containers[0].image}") == "web:1"


def test_scale_and_autoscale(kubectl: Program) -> None:
    kubectl("create", "-f", "-", given=WEB)
    said = kubectl("scale", "deployment/web", "--replicas=3", "--current-replicas=2")
    assert said == "deployment.apps/web scaled\n"
    assert "Expected replicas to be 2, was 3" in kubectl.fails(
        "scale", "deployment/web", "--replicas=1", "--current-replicas=2"
    )
    kubectl("wait", "--for=jsonpath={.status.readyReplicas}=3", "deployment/web", "--timeout=300s")
    said = kubectl("autoscale", "deployment", "web", "--min=1", "--max=5", "--cpu=80%")
    assert said == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    assert re.search(r"web +Deployment/web +cpu: <unknown>/80% +1 +5", kubectl("get", "hpa"))


def test_set_commands(kubectl: Program) -> None:
    kubectl("create", "-f", "-", given=WEB)
    kubectl("set", "env", "deployment/web", "A=1")
    assert "A=1" in kubectl("set", "env", "deployment/web", "--list")
    kubectl("set", "resources", "deployment/web", "--limits=cpu=200m", "--requests=cpu=100m")
    kubectl("create", "serviceaccount", "robot")
    kubectl("set", "serviceaccount", "deployment/web", "robot")
    kubectl("expose", "deployment", "web", "--port=80")
    kubectl("set", "selector", "service/web", "app=other")
    asked = "jsonpath={..serviceAccountName} {..containers[0].resources.limits.cpu}"
    assert kubectl("get", "deploy", "web", "-o", asked) == "robot 200m"
    assert kubectl("get", "svc", "web", "-o", "jsonpath={.spec.selector.app}") == "other"


@pytest.mark.parametrize(("cascade", "left"), [("orphan", True), ("foreground", False), ("background", False)])
def test_delete_cascades(kubectl: Program, cascade: str, left: bool) -> None:
    kubectl("create", "-f", "-", given=WEB)
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=300s")
    said = kubectl("delete", "deployment", "web", f"--cascade={cascade}")
    assert said.startswith('deployment.apps "web" deleted')
    if left:
        assert kubectl("get", "replicasets", "-o", "name").startswith("replicaset.apps/web-")
        kubectl("delete", "replicasets", "--all")
    kubectl("wait", "--for=delete", "replicasets", "--all", "--timeout=300s")
    kubectl("wait", "--for=delete", "pods", "-l", "app=web", "--timeout=300s")


# What there is to see


def test_outputs(kubectl: Program) -> None:
    kubectl("apply", "-f", "-", given=CONFIG)
    assert kubectl("get", "cm", "settings", "-o", "name") == "configmap/settings\n"
    assert kubectl("get", "cm", "settings", "-o", "go-template={{.data.colour}}") == "red"
    assert kubectl("get", "cm", "settings", "-o", "jsonpath={.data['size']}") == "big"
    columns = kubectl("get", "cm", "settings", "--no-headers", "-o", "custom-columns=N:.metadata.name,C:.data.colour")
    assert columns.split() == ["settings", "red"]
    assert re.fullmatch(r"NAME +DATA +AGE\nsettings +2 +\w+\n", kubectl("get", "cm", "settings"))
    assert re.search(r"settings +2 +\w+ +<none>", kubectl("get", "cm", "--show-labels"))
    assert "colour: red" in kubectl("get", "cm", "settings", "-o", "yaml")
    assert json.loads(kubectl("get", "cm", "-o", "json"))["kind"] == "List"
    assert "No resources found" in kubectl.run("get", "pods").stderr
    assert kubectl("get", "cm", "--sort-by=.metadata.name", "--field-selector=metadata.name=settings", "-o", "name")
    raw = kubectl("get", "--raw", f"/api/v1/namespaces/{kubectl.namespace}/configmaps/settings")
    assert json.loads(raw)["data"]["colour"] == "red"
    assert kubectl("get", "cm", "--chunk-size=1", "-o", "name").count("configmap/") == 2


def test_wait_for_what_comes_later(kubectl: Program) -> None:
    said = kubectl.fails("wait", "--for=jsonpath={.data.a}=1", "configmap/settings", "--timeout=300s")
    assert 'configmaps "settings" not found' in said
    kubectl("apply", "-f", "-", given=CONFIG)
    said = kubectl("wait", "--for=jsonpath={.data.colour}=red", "cm/settings")
    assert said == "configmap/settings condition met\n"
    said = kubectl.fails("wait", "--for=jsonpath={.data.colour}=blue", "cm/settings", "--timeout=1s")
    assert "timed out waiting for the condition on configmaps/settings" in said


def test_what_can_be_asked_of_the_api(kubectl: Program) -> None:
    assert re.search(r"^deployments +deploy +apps/v1 +true +Deployment$", kubectl("api-resources"), re.M)
    names = kubectl("api-resources", "--verbs=list", "--namespaced", "-o", "name").split()
    assert {"pods", "deployments.apps", "events.events.k8s.io"} <= set(names)
    assert {"v1", "apps/v1", "batch/v1"} <= set(kubectl("api-versions").split())
    said = kubectl("explain", "pod.spec.containers.image")
    assert "KIND:       Pod" in said
    assert "FIELD: image <string>" in said
    assert "FIELDS:" in kubectl("explain", "deployments", "--recursive")
    assert re.search(r"Server Version: v1\.37\.\d", kubectl("version"))
    assert "is running at" in kubectl("cluster-info")


def test_who_may_do_what(kubectl: Program) -> None:
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    robot = f"--as=system:serviceaccount:{kubectl.namespace}:robot"
    kubectl("create", "serviceaccount", "robot")
    asked = kubectl.run("auth", "can-i", "list", "pods", robot)
    assert (asked.stdout, asked.stderr) == ("no\n", "")
    said = kubectl.fails("get", "pods", robot)
    assert f'cannot list resource "pods" in API group "" in the namespace "{kubectl.namespace}"' in said
    kubectl("create", "role", "reader", "--verb=list,get", "--resource=pods")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={kubectl.namespace}:robot")
    assert kubectl("auth", "can-i", "list", "pods", robot) == "yes\n"
    assert re.search(r"^pods +\[\] +\[\] +\[list get\]$", kubectl("auth", "can-i", "--list", robot), re.M)
    assert "system:masters" in kubectl("auth", "whoami")
    role = f"apiVersion: {RBAC}/v1\nkind: Role\nmetadata: {{name: made, namespace: {kubectl.namespace}}}\n"
    rules = "rules: [{apiGroups: [''], resources: [pods], verbs: [watch]}]\n"
    assert f"role.{RBAC}/made reconciled" in kubectl("auth", "reconcile", "-f", "-", given=role + rules)


# The cluster


def test_nodes_are_cordoned_tainted_and_drained(kubectl: Program) -> None:
    kubectl("create", "-f", "-", given=WEB)
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=300s")
    node = kubectl("get", "pods", "-o", "jsonpath={.items[0].spec.nodeName}")
    assert kubectl("cordon", node) == f"node/{node} cordoned\n"
    assert re.search(rf"{node} +Ready,SchedulingDisabled", kubectl("get", "nodes"))
    assert f"node/{node} drained" in kubectl("drain", node, "--ignore-daemonsets", "--timeout=300s", "--force")
    kubectl("wait", "--for=condition=Available", "deployment/web", "--timeout=300s")
    assert node not in kubectl("get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}")
    assert kubectl("uncordon", node) == f"node/{node} uncordoned\n"
    assert kubectl("taint", "node", node, "special=yes:NoSchedule") == f"node/{node} tainted\n"
    assert kubectl("taint", "node", node, "special-") == f"node/{node} untainted\n"
    assert re.search(r"Taints: +<none>", kubectl("describe", "node", node))


def test_a_certificate_is_asked_for_and_approved(kubectl: Program) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ada")])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    )
    name = kubectl.namespace  # not one of a namespace's objects, so it needs a name of its own
    wanted = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(request.public_bytes(serialization.Encoding.PEM)).decode(),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    }
    kubectl("create", "-f", "-", given=json.dumps(wanted))
    said = kubectl("certificate", "approve", name)
    assert said == f"certificatesigningrequest.certificates.k8s.io/{name} approved\n"
    kubectl("wait", "--for=jsonpath={.status.certificate}", f"csr/{name}", "--timeout=300s")
    assert re.search(rf"{name} .*Approved,Issued", kubectl("get", "csr"))
    kubectl("delete", "csr", name)


def test_a_kustomization(kubectl: Program, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(WEB)
    (tmp_path / "kustomization.yaml").write_text(
        "resources: [web.yaml]\nnamePrefix: my-\nimages: [{name: web, newTag: '7'}]\n"
        "configMapGenerator: [{name: conf, literals: [a=1]}]\n"
    )
    assert "name: my-web" in kubectl("kustomize", ".")
    said = kubectl("apply", "-k", ".")
    assert re.fullmatch(r"configmap/my-conf-\w+ created\ndeployment.apps/my-web created\n", said)
    assert kubectl("get", "-k", ".", "-o", "jsonpath={..image}").strip() == "web:7"
    assert "deleted" in kubectl("delete", "-k", ".")


def test_a_kind_of_ones_own(kubectl: Program) -> None:
    unique = "boat" + kubectl.namespace.removeprefix("test-")
    definition = CRD.replace("NAME", unique).replace("KIND", unique.title()).replace("SHORT", f"b{unique[4:]}")
    boat = {"apiVersion": "clients.test/v1", "kind": unique.title(), "metadata": {"name": "umiak"}, "spec": {"size": 9}}
    kubectl("apply", "-f", "-", given=definition)
    try:
        kubectl("wait", "--for=condition=Established", f"crd/{unique}s.clients.test", "--timeout=300s")
        assert f"{unique}.clients.test/umiak created" in kubectl("apply", "-f", "-", given=json.dumps(boat))
        assert re.search(r"NAME +SIZE\numiak +9\n", kubectl("get", f"b{unique[4:]}"))
        said = kubectl.fails("apply", "-f", "-", given=json.dumps({**boat, "spec": {"size": 0}}))
        assert "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1" in said
        assert kubectl("scale", unique, "umiak", "--replicas=4") == f"{unique}.clients.test/umiak scaled\n"
        patched = kubectl(
            "patch", unique, "umiak", "--subresource=status", "--type=merge", "-p", '{"status":{"size":4}}'
        )
        assert patched == f"{unique}.clients.test/umiak patched\n"
        assert "How many fit in." in kubectl("explain", f"{unique}.spec.size")
        assert kubectl("get", unique, "umiak", "-o", "jsonpath={.spec.size} {.status.size}") == "4 4"
    finally:
        kubectl("delete", "crd", f"{unique}s.clients.test")


def test_debugging_adds_a_container(kubectl: Program) -> None:
    kubectl("run", "box", "--image=box")
    kubectl("wait", "--for=condition=Ready", "pod/box", "--timeout=300s")
    kubectl("debug", "box", "--image=tools", "--container=look", "--attach=false", "--profile=general")
    assert kubectl("get", "pod", "box", "-o", "jsonpath={.spec.ephemeralContainers[0].name}") == "look"
    kubectl("debug", "box", "--image=tools", "--copy-to=box2", "--attach=false", "--profile=general")
    assert kubectl("get", "pod", "box2", "-o", "jsonpath={.spec.containers[0].image}") == "box"


def test_names_are_completed(kubectl: Program) -> None:
    """The completion asks the API server."""
    kubectl("apply", "-f", "-", given=CONFIG)
    outside = kubectl.within("", kubectl.folder)
    assert "settings" in outside("__complete", "get", "-n", kubectl.namespace, "configmap", "sett").splitlines()
    assert "__start_kubectl" in kubectl("completion", "bash")


def test_config_commands(kubectl: Program, tmp_path: Path) -> None:
    kubectl("config", "set-cluster", "other", "--server=https://127.0.0.1:1", "--kubeconfig", str(tmp_path / "c"))
    kubectl("config", "set-context", "other", "--cluster=other", "--kubeconfig", str(tmp_path / "c"))
    kubectl("config", "use-context", "other", "--kubeconfig", str(tmp_path / "c"))
    assert kubectl("config", "current-context", "--kubeconfig", str(tmp_path / "c")) == "other\n"
    users = kubectl("config", "view", "--minify", "-o", "jsonpath={.users[0].user}")
    assert "DATA+OMITTED" in users or "REDACTED" in users


def test_errors_users_see(kubectl: Program) -> None:
    assert 'error: the server doesn\'t have a resource type "nonsense"' in kubectl.fails("get", "nonsense")
    assert 'Error from server (NotFound): pods "x" not found' in kubectl.fails("get", "pod", "x")
    kubectl("apply", "-f", "-", given=CONFIG)
    said = kubectl.fails("create", "-f", "-", given=CONFIG)
    assert "Error from server (AlreadyExists)" in said
    said = kubectl.fails("create", "-f", "-", given=WEB.replace("app: web}}\n    spec", "app: x}}\n    spec"))
    assert "`selector` does not match template `labels`" in said
