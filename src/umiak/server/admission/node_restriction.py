"""A node speaks for itself and its own pods only, and may not dress itself up to attract others.

What a node may touch at all is the node authorizer's business; this looks into what it writes.
"""

from collections.abc import Awaitable, Callable, Iterator

from umiak.api import registry
from umiak.api.common.pod_secrets import secret_names
from umiak.api.core.serviceaccount import KIND as SERVICE_ACCOUNT
from umiak.objects.meta import labels, metadata, owners, uid
from umiak.objects.types import Object
from umiak.server.access.certificates import Malformed, request_subject
from umiak.server.access.node import PREFIX, node_of
from umiak.server.admission._common import MIRROR, is_mirror, refuse
from umiak.server.contract import Admission, Admitted, Attributes, Phase, Surroundings

RESTRICTED = "node-restriction.kubernetes.io"
OWN_LABELS = frozenset(
    {
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "node.kubernetes.io/instance-type",
        "beta.kubernetes.io/instance-type",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    }
)
OWN_SPACES = ("kubelet.kubernetes.io", "node.kubernetes.io")
SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
CLAIM_STATUS = ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources")
POD_STATUS = {
    "resourceClaimStatuses": "resource claim statues",
    "extendedResourceClaimStatus": "extended resource claim status",
    "nodeAllocatableResourceClaimStatuses": "node allocatable resource claim statuses",
}


def concerns(request: Admitted) -> bool:
    asked = request.attributes
    return node_of(asked.user) is not None and (asked.group, asked.resource) in JUDGES


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    asked = request.attributes
    node = node_of(asked.user)
    if not node:
        raise refuse(request, f'could not determine node from user "{asked.user.name}"')
    if why := await JUDGES[asked.group, asked.resource](around, request, node):
        raise refuse(request, why)


async def _pod(around: Surroundings, request: Admitted, node: str) -> str:
    part = request.attributes.subresource
    judge = {"": _whole_pod, "status": _pod_status, "eviction": _eviction}.get(part)
    if judge is None:
        return f"unexpected pod subresource \"{part}\", only 'status' and 'eviction' are allowed"
    return await judge(around, request, node)


async def _whole_pod(around: Surroundings, request: Admitted, node: str) -> str:
    if request.operation == "CREATE":
        return await _mirror_pod(around, request, node)
    if request.operation != "DELETE":
        return f'unexpected operation "{request.operation}", node "{node}" can only create and delete mirror pods'
    pod = await around.objects.get(registry.find("v1", "Pod"), request.attributes.namespace, request.attributes.name)
    own = (pod.get("spec") or {}).get("nodeName") == node
    return "" if own else f'node "{node}" can only delete pods with spec.nodeName set to itself'


async def _mirror_pod(around: Surroundings, request: Admitted, node: str) -> str:
    pod = request.new or {}
    spec = pod.get("spec") or {}
    if not is_mirror(pod):
        return f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
    if spec.get("nodeName") != node:
        return f'node "{node}" can only create pods with spec.nodeName set to itself'
    if len(owners(pod)) > 1:
        return f'node "{node}" can only create pods with a single owner reference set to itself'
    owner = next(iter(owners(pod)), {})
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        return f'node "{node}" can only create pods with an owner reference set to itself'
    if not owner.get("controller"):
        return f'node "{node}" can only create pods with a controller owner reference set to itself'
    if owner.get("blockOwnerDeletion"):
        return f'node "{node}" must not set blockOwnerDeletion on an owner reference'
    found = await around.objects.get(registry.find("v1", "Node"), "", node)
    if owner.get("uid") != uid(found):
        return f"node {node} UID mismatch: expected {owner.get('uid')} got {uid(found)}"
    reference = next(_references(spec), "")
    return f'node "{node}" can not create pods that reference {reference}' if reference else ""


def _references(spec: Object) -> Iterator[str]:
    """Kinds of API objects that a pod refers to."""
    if spec.get("serviceAccountName"):
        yield "serviceaccounts"
    if any(secret_names(spec)):
        yield "secrets"
    if spec.get("resourceClaims"):
        yield "resourceclaims"
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        sources = [*(container.get("envFrom") or ()), *(v.get("valueFrom") or {} for v in container.get("env") or ())]
        if any(source.get("configMapRef") or source.get("configMapKeyRef") for source in sources):
            yield "configmaps"
    for volume in spec.get("volumes") or ():
        if volume.get("configMap") is not None:
            yield "configmaps"
        if volume.get("persistentVolumeClaim") is not None or volume.get("ephemeral") is not None:
            yield "persistentvolumeclaims"
        for part in (volume.get("projected") or {}).get("sources") or ():
            for field, resource in PROJECTED.items():
                if part.get(field) is not None:
                    yield resource


PROJECTED = {
    "configMap": "configmaps",
    "secret": "secrets",
    "serviceAccountToken": "serviceaccounts",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}


async def _pod_status(around: Surroundings, request: Admitted, node: str) -> str:
    if request.operation != "UPDATE":
        return f'unexpected operation "{request.operation}"'
    new, old = request.new or {}, request.old or {}
    if (old.get("spec") or {}).get("nodeName") != node:
        return f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
    if labels(new) != labels(old):
        return f'node "{node}" cannot update labels through pod status'
    after, before = new.get("status") or {}, old.get("status") or {}
    for field, words in POD_STATUS.items():
        if (after.get(field) or None) != (before.get(field) or None):
            return f'node "{node}" cannot update {words}'
    return ""


async def _eviction(around: Surroundings, request: Admitted, node: str) -> str:
    if request.operation != "CREATE":
        return f"unexpected operation {request.operation}"
    name = request.attributes.name or metadata(request.new or {}).get("name") or ""
    if not name:
        return "could not determine pod from request data"
    pod = await around.objects.get(registry.find("v1", "Pod"), request.attributes.namespace, name)
    own = (pod.get("spec") or {}).get("nodeName") == node
    return "" if own else f"node {node} can only evict pods with spec.nodeName set to itself"


async def _node(around: Surroundings, request: Admitted, node: str) -> str:
    new, old = request.new or {}, request.old
    name = request.attributes.name or metadata(new).get("name") or ""
    if name != node:
        return f'node "{node}" is not allowed to modify node "{name}"'
    spec = new.get("spec") or {}
    if request.operation == "CREATE":
        if spec.get("configSource") is not None:
            return f'node "{node}" is not allowed to create pods with a non-nil configSource'
        bad = foreign_labels(labels(new), {})
        return f'node "{node}" is not allowed to set the following labels: {", ".join(bad)}' if bad else ""
    if request.operation != "UPDATE" or old is None:
        return ""
    before = old.get("spec") or {}
    if spec.get("configSource") not in (None, before.get("configSource")):
        return f'node "{node}" is not allowed to update configSource to a new non-nil configSource'
    if (spec.get("taints") or []) != (before.get("taints") or []):
        return f'node "{node}" is not allowed to modify taints'
    if owners(new) != owners(old):
        return f'node "{node}" is not allowed to modify ownerReferences'
    bad = foreign_labels(labels(new), labels(old))
    return f"is not allowed to modify labels: {', '.join(bad)}" if bad else ""


def foreign_labels(new: dict[str, str], old: dict[str, str]) -> list[str]:
    """Labels that differ and are not a node's to set."""
    changed = {key for key in {*new, *old} if new.get(key) != old.get(key)}
    return sorted(key for key in changed if _is_foreign(key))


def _is_foreign(key: str) -> bool:
    space = key.partition("/")[0] if "/" in key else ""

    def within(root: str) -> bool:
        return space == root or space.endswith("." + root)

    if within(RESTRICTED):
        return True
    theirs = within("kubernetes.io") or within("k8s.io")
    return theirs and key not in OWN_LABELS and not any(within(own) for own in OWN_SPACES)


async def _claim(around: Surroundings, request: Admitted, node: str) -> str:
    if request.attributes.subresource != "status":
        return "may only update PVC status"
    if request.operation != "UPDATE":
        return f'unexpected operation "{request.operation}"'

    def fixed(claim: Object) -> Object:
        about = {k: v for k, v in metadata(claim).items() if k not in ("resourceVersion", "managedFields")}
        status = {k: v for k, v in (claim.get("status") or {}).items() if k not in CLAIM_STATUS}
        return {**claim, "metadata": about, "status": status}

    if fixed(request.new or {}) == fixed(request.old or {}):
        return ""
    return f'node "{node}" is not allowed to update fields other than status.quantity and status.conditions'


async def _service_account(around: Surroundings, request: Admitted, node: str) -> str:
    if request.operation != "CREATE" or request.attributes.subresource != "token":
        return ""
    spec = (request.new or {}).get("spec") or {}
    ref = spec.get("boundObjectRef") or {}
    if (ref.get("apiVersion"), ref.get("kind")) != ("v1", "Pod") or not ref.get("name"):
        return "node requested token not bound to a pod"
    if not ref.get("uid"):
        return "node requested token with a pod binding without a uid"
    pod = await around.objects.get(registry.find("v1", "Pod"), request.attributes.namespace, ref["name"])
    if ref["uid"] != uid(pod):
        why = f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record"
        return f"{why}. The object might have been deleted and then recreated"
    if (pod.get("spec") or {}).get("nodeName") != node:
        return "node requested token bound to a pod scheduled on a different node"
    return await _audience(around, request, pod, spec.get("audiences") or [])


async def _audience(around: Surroundings, request: Admitted, pod: Object, audiences: list[str]) -> str:
    """A node gets tokens for audiences that its pods, or the CSI drivers of their volumes, ask for."""
    if len(audiences) > 1:
        return "node may only request 0 or 1 audiences"
    wanted = audiences[0] if audiences else ""
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        for part in (volume.get("projected") or {}).get("sources") or ():
            token = part.get("serviceAccountToken")
            if token is not None and (token.get("audience") or "") == wanted:
                return ""
        driver = await _driver(around, pod, volume)
        if driver and wanted in await _driver_audiences(around, driver):
            return ""
    asked = request.attributes
    leave = Attributes(
        asked.user,
        "request-serviceaccounts-token-audience",
        asked.group,
        asked.version,
        wanted,
        namespace=asked.namespace,
        name=asked.name,
    )
    if (await around.authorizer.authorize(leave)).allowed:
        return ""
    return f'{asked.user.name} is not authorized to request tokens for audience "{wanted}"'


async def _driver(around: Surroundings, pod: Object, volume: Object) -> str:
    if volume.get("csi") is not None:
        return str(volume["csi"].get("driver") or "")
    claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
    if volume.get("ephemeral") is not None:
        claim = f"{metadata(pod)['name']}-{volume['name']}"
    if not claim:
        return ""
    bound = await around.objects.find(
        registry.find("v1", "PersistentVolumeClaim"), metadata(pod).get("namespace") or "", claim
    )
    name = ((bound or {}).get("spec") or {}).get("volumeName")
    found = await around.objects.find(registry.find("v1", "PersistentVolume"), "", name) if name else None
    return str((((found or {}).get("spec") or {}).get("csi") or {}).get("driver") or "")


async def _driver_audiences(around: Surroundings, name: str) -> set[str]:
    driver = await around.objects.find(registry.find("storage.k8s.io/v1", "CSIDriver"), "", name)
    requests = ((driver or {}).get("spec") or {}).get("tokenRequests") or ()
    return {request.get("audience") or "" for request in requests}


async def _lease(around: Surroundings, request: Admitted, node: str) -> str:
    if request.attributes.namespace != "kube-node-lease":
        return 'can only access leases in the "kube-node-lease" system namespace'
    return _named(request, node, "can only access node lease with the same name as the requesting node")


async def _csi_node(around: Surroundings, request: Admitted, node: str) -> str:
    return _named(request, node, "can only access CSINode with the same name as the requesting node")


def _named(request: Admitted, node: str, why: str) -> str:
    name = request.attributes.name
    if request.operation == "CREATE":
        name = metadata(request.new or {}).get("name") or ""
    return "" if name == node else why


async def _resource_slice(around: Surroundings, request: Admitted, node: str) -> str:
    word, obj = {"CREATE": ("create", request.new), "DELETE": ("delete", request.old)}.get(
        request.operation, ("", None)
    )
    if not word or ((obj or {}).get("spec") or {}).get("nodeName") == node:
        return ""
    return f"can only {word} ResourceSlice with the same NodeName as the requesting node"


async def _certificate_request(around: Surroundings, request: Admitted, node: str) -> str:
    spec = (request.new or {}).get("spec") or {}
    if request.operation != "CREATE" or spec.get("signerName") not in SIGNERS:
        return ""
    try:
        name, _ = request_subject(spec.get("request") or "")
    except Malformed as why:
        return f"unable to parse csr: {why}"
    return "" if name == PREFIX + node else f"can only create a node CSR with CN={PREFIX}{node}"


async def _pod_certificate(around: Surroundings, request: Admitted, node: str) -> str:
    """A node asks for certificates of pods that it runs, as their service account, from signers that they name."""
    if request.operation != "CREATE":
        return f"unexpected operation {request.operation}"
    if request.attributes.subresource:
        return f"unexpected subresource {request.attributes.subresource}"
    spec = (request.new or {}).get("spec") or {}
    if spec.get("nodeName") != node:
        named = spec.get("nodeName") or ""
        return f'PodCertificateRequest.Spec.NodeName="{named}", which is not the requesting node "{node}"'
    namespace = request.attributes.namespace
    pod = await around.objects.get(registry.find("v1", "Pod"), namespace, spec.get("podName") or "")
    known = await around.objects.get(registry.find("v1", "Node"), "", node)
    return _not_its_pod(spec, pod, known, namespace) or await _not_its_signer(around, request, pod, spec)


def _not_its_pod(spec: Object, pod: Object, node: Object, namespace: str) -> str:
    named = f'"{namespace}/{spec["podName"]}"'
    about = f"PodCertificateRequest for pod {named}"
    if spec.get("nodeUID") != uid(node):
        said = spec.get("nodeUID") or ""
        return f'{about} names node UID "{said}", inconsistent with the running node ("{uid(node)}")'
    if spec.get("podUID") != uid(pod):
        said = spec.get("podUID") or ""
        return f'{about} contains pod UID ("{said}") which differs from running pod "{uid(pod)}"'
    runs = pod.get("spec") or {}
    if runs.get("nodeName") != spec["nodeName"]:
        return f'pod {named} is not running on node "{spec["nodeName"]}" named in the PodCertificateRequest'
    if is_mirror(pod):
        return f"pod {named} is a mirror pod"
    account, wanted = runs.get("serviceAccountName") or "", spec.get("serviceAccountName") or ""
    if account != wanted:
        return f'{about} contains serviceAccountName ("{wanted}") that differs from running pod ("{account}")'
    return ""


async def _not_its_signer(around: Surroundings, request: Admitted, pod: Object, spec: Object) -> str:
    asked, signer, account = request.attributes, spec.get("signerName") or "", spec.get("serviceAccountName") or ""
    known = uid(await around.objects.get(SERVICE_ACCOUNT, asked.namespace, account))
    about = f'"{asked.namespace}/{spec["podName"]}"'
    if known != spec.get("serviceAccountUID"):
        why = f'names service account UID "{spec.get("serviceAccountUID") or ""}"'
        return (
            f'PodCertificateRequest for pod {about} {why}, which differs from the running service account ("{known}")'
        )
    for volume in (pod.get("spec") or {}).get("volumes") or ():
        for part in (volume.get("projected") or {}).get("sources") or ():
            if (part.get("podCertificate") or {}).get("signerName") == signer:
                return ""
    leave = Attributes(
        asked.user,
        "request-serviceaccounts-podcertificate-signer",
        asked.group,
        asked.version,
        signer.replace("/", ":"),  # RBAC knows no resources with slashes
        namespace=asked.namespace,
        name=account,
    )
    if (await around.authorizer.authorize(leave)).allowed:
        return ""
    return f'pod {about} does not mount a podCertificate projected volume for signer "{signer}"'


Judge = Callable[[Surroundings, Admitted, str], Awaitable[str]]
"""What is wrong with what the node wants to write; nothing when empty."""
JUDGES: dict[tuple[str, str], Judge] = {
    ("", "pods"): _pod,
    ("", "nodes"): _node,
    ("", "persistentvolumeclaims"): _claim,
    ("", "serviceaccounts"): _service_account,
    ("coordination.k8s.io", "leases"): _lease,
    ("storage.k8s.io", "csinodes"): _csi_node,
    ("resource.k8s.io", "resourceslices"): _resource_slice,
    ("certificates.k8s.io", "certificatesigningrequests"): _certificate_request,
    ("certificates.k8s.io", "podcertificaterequests"): _pod_certificate,
}

ADMISSION = Admission(
    name="NodeRestriction",
    order=7,
    phases=(Phase.MUTATE,),
    run=run,
    concerns=concerns,
    resources=tuple(resource for _, resource in JUDGES),
)
