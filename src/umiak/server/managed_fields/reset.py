"""What a path of a kind does not change whatever is sent there, and so nobody comes to manage through it.

The rule: the object's own path leaves the status, the status path leaves the spec. `MORE` has what else the strategies
of the reference (their `GetResetFields`) leave.
"""

from collections.abc import Callable
from functools import lru_cache

from umiak.api.kind import Kind
from umiak.objects import fieldset
from umiak.objects.fieldset import FieldSet, Path
from umiak.server.metadata import is_custom

Filter = Callable[[FieldSet], FieldSet]

STATUS_KEEPS_METADATA = frozenset(
    {
        ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
        ("apiregistration.k8s.io", "apiservices"),
        ("certificates.k8s.io", "podcertificaterequests"),
        ("flowcontrol.apiserver.k8s.io", "flowschemas"),
        ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
        ("internal.apiserver.k8s.io", "storageversions"),
        ("lifecycle.k8s.io", "evictions"),
        ("lifecycle.k8s.io", "evictionrequests"),
        ("networking.k8s.io", "servicecidrs"),
        ("resource.k8s.io", "devicetaintrules"),
        ("resource.k8s.io", "resourceclaims"),
        ("resource.k8s.io", "resourcepoolstatusrequests"),
        ("scheduling.k8s.io", "compositepodgroups"),
        ("scheduling.k8s.io", "podgroups"),
        ("storage.k8s.io", "csinodes"),
        ("storage.k8s.io", "volumeattachments"),
        ("storagemigration.k8s.io", "storageversionmigrations"),
    }
)
MORE: dict[tuple[str, str, str], tuple[Path, ...]] = {
    ("", "pods", "status"): (("metadata", "deletionTimestamp"), ("metadata", "ownerReferences")),
    ("", "namespaces", "finalize"): (("status",),),
    ("apps", "deployments", "status"): (("metadata", "labels"),),
    ("certificates.k8s.io", "certificatesigningrequests", ""): (("spec",),),
    ("certificates.k8s.io", "certificatesigningrequests", "status"): (("status", "conditions"),),
    ("certificates.k8s.io", "certificatesigningrequests", "approval"): (("spec",), ("status", "certificate")),
}


@lru_cache(1024)
def filter_of(kind: Kind, subresource: str) -> Filter | None:
    """Takes out what is not managed through the path; None where everything is."""
    left = [*_by_rule(kind, subresource), *MORE.get((kind.group, kind.plural, subresource), ())]
    if not left:
        return None
    reset = fieldset.of_paths(*(tuple(map(fieldset.field, path)) for path in left))
    return lambda fields: fieldset.without(fields, reset)


def _by_rule(kind: Kind, subresource: str) -> list[Path]:
    if subresource == "":
        return [("status",)] if kind.has_status else []
    if subresource != "status":
        return []
    keeps = is_custom(kind) or (kind.group, kind.plural) in STATUS_KEEPS_METADATA
    return [("spec",), ("metadata",)] if keeps else [("spec",)]
