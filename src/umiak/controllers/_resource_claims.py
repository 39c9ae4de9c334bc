"""How pods and ResourceClaims belong together (KEP-4381). Pure; texts are those of the reference.

A pod names claims itself, or templates: then a claim is made for it, owned by the pod, with a name that only the
pod's status tells.
"""

from collections.abc import Callable, Iterable

import msgspec

from umiak.controllers._pods import is_terminal, node_name
from umiak.objects import meta
from umiak.objects.types import Object

FOR_POD_CLAIM = "resource.kubernetes.io/pod-claim-name"
"""On a claim that was made for a pod: which of the pod's claims it is."""
EXTENDED = "resource.kubernetes.io/extended-resource-claim"
FINALIZER = "resource.kubernetes.io/delete-protection"
LONGEST_BASE = 57
"""Of a generated name: with a dash and five random characters it has 63."""

ClaimOf = Callable[[str], Object | None]
"""A claim of the pod's namespace by its name."""


class Named(msgspec.Struct, frozen=True):
    """The claim behind one entry of a pod's; an empty name means that none is needed."""

    name: str
    must_be_own: bool


def pod_claims(pod: Object) -> list[Object]:
    return pod["spec"].get("resourceClaims") or []


def named(pod: Object, entry: Object) -> Named | None:
    """None while no claim has been made for it."""
    if entry.get("resourceClaimName"):
        return Named(entry["resourceClaimName"], must_be_own=False)
    for status in (pod.get("status") or {}).get("resourceClaimStatuses") or ():
        if status["name"] == entry["name"]:
            return Named(status.get("resourceClaimName") or "", must_be_own=True)
    return None


def extended_claim(pod: Object) -> str:
    """The claim that the scheduler made for extended resources of the pod (KEP-5004)."""
    found = (pod.get("status") or {}).get("extendedResourceClaimStatus") or {}
    return found.get("resourceClaimName") or ""


def all_claims(pod: Object) -> Iterable[str]:
    """Names of all claims of the pod that exist, or should."""
    for entry in pod_claims(pod):
        found = named(pod, entry)
        if found is not None and found.name:
            yield found.name
    if extended_claim(pod):
        yield extended_claim(pod)


def is_done(pod: Object) -> bool:
    """Whether nothing of it runs, or ever will."""
    return is_terminal(pod) or (meta.is_being_deleted(pod) and not node_name(pod))


def is_own(pod: Object, claim: Object) -> bool:
    return (meta.controller_of(claim) or {}).get("uid") == meta.uid(pod)


def is_reserved_for(pod: Object, claim: Object) -> bool:
    return any(c.get("uid") == meta.uid(pod) for c in (claim.get("status") or {}).get("reservedFor") or ())


def must_be_reserved(pod: Object, claim: Object) -> bool:
    """A pod that came to its node without the scheduler: nobody has reserved for it what it will use."""
    allocated = (claim.get("status") or {}).get("allocation") is not None
    return bool(node_name(pod)) and allocated and not is_reserved_for(pod, claim)


def needs_work(pod: Object, claim_of: ClaimOf) -> bool:
    """Whether a claim is to be made or reserved. A claim that its user has to make is waited for."""
    if meta.is_being_deleted(pod) or is_done(pod):
        return False
    for entry in pod_claims(pod):
        found = named(pod, entry)
        if found is None:
            return True
        claim = claim_of(found.name) if found.name else None
        if claim is None:
            if found.name and entry.get("resourceClaimTemplateName"):
                return True
        elif (not found.must_be_own or is_own(pod, claim)) and must_be_reserved(pod, claim):
            return True
    return False


def generate_name(pod: str, entry: str) -> str:
    """Pod and entry; both shortened alike when that is too long."""
    base = f"{pod}-{entry}-"
    if len(base) <= LONGEST_BASE:
        return base
    return f"{pod[: len(pod) * LONGEST_BASE // len(base)]}-{entry[: len(entry) * LONGEST_BASE // len(base)]}"


def claim_from(template: Object, pod: Object, entry: Object) -> Object:
    """The claim to be made for the pod."""
    spec = template["spec"]
    about = spec.get("metadata") or {}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": meta.name(pod), "uid": meta.uid(pod), "controller": True}
    metadata = {
        "generateName": generate_name(meta.name(pod), entry["name"]),
        "namespace": meta.namespace(pod),
        "ownerReferences": [owner],
        "annotations": {**(about.get("annotations") or {}), FOR_POD_CLAIM: entry["name"]},
    }
    if about.get("labels"):
        metadata["labels"] = dict(about["labels"])
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": metadata, "spec": spec["spec"]}


def made_for(entry: Object, owned: Iterable[Object]) -> Object | None:
    """The claim that was made for the entry, among those that the pod owns, though its status does not say so yet."""
    return next((c for c in owned if meta.annotations(c).get(FOR_POD_CLAIM) == entry["name"]), None)


def statuses(pod: Object, new: dict[str, str]) -> list[Object]:
    """The pod's `resourceClaimStatuses` with `new` ones (entry: claim), by name."""
    before = (pod.get("status") or {}).get("resourceClaimStatuses") or ()
    merged = {s["name"]: s["resourceClaimName"] for s in before if s.get("resourceClaimName")} | new
    return [{"name": entry, "resourceClaimName": merged[entry]} for entry in sorted(merged)]


def consumer(pod: Object) -> Object:
    """An entry of a claim's `reservedFor`."""
    return {"resource": "pods", "name": meta.name(pod), "uid": meta.uid(pod)}


def is_pod(reference: Object) -> bool:
    """Whether a consumer is a pod; others are not ours to judge."""
    return not reference.get("apiGroup") and reference["resource"] == "pods"


def admin_access(claim: Object) -> str:
    """Whether any of its requests wants devices whoever uses them; as a metric's label."""
    requests = ((claim.get("spec") or {}).get("devices") or {}).get("requests") or ()
    return "true" if any((r.get("exactly") or {}).get("adminAccess") for r in requests) else "false"


def source(claim: Object) -> str:
    """Who made it, as a metric's label; empty for a user."""
    annotations = meta.annotations(claim)
    if annotations.get(EXTENDED) == "true":
        return "extended_resource"
    return "resource_claim_template" if annotations.get(FOR_POD_CLAIM) else ""


def owning_pod(claim: Object) -> Object | None:
    """The owner reference to the pod for which the claim was made."""
    for owner in meta.owners(claim):
        if owner.get("controller") and (owner["apiVersion"], owner["kind"]) == ("v1", "Pod"):
            return owner
    return None
