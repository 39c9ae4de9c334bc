"""ResourceQuotaConfiguration: what may be used only where a quota speaks of it.

Source: apiserver's `pkg/admission/plugin/resourcequota`, `apis/resourcequota` in its three versions.
"""

from collections.abc import Sequence

from umiak.api.configuration import TEXT, Unacceptable, document, list_of, read, struct
from umiak.objects.errors import required, together
from umiak.objects.types import Object

_SCOPE = struct("ScopedResourceSelectorRequirement", scopeName=TEXT, operator=TEXT, values=list_of(TEXT))
_LIMITED = struct(
    "LimitedResource", apiGroup=TEXT, resource=TEXT, matchContains=list_of(TEXT), matchScopes=list_of(_SCOPE)
)
_KNOWN = {
    (version, kind): document(kind, limitedResources=list_of(_LIMITED))
    for version, kind in (
        ("apiserver.config.k8s.io/v1", "ResourceQuotaConfiguration"),
        ("resourcequota.admission.k8s.io/v1beta1", "Configuration"),
        ("resourcequota.admission.k8s.io/v1alpha1", "Configuration"),
    )
}


def limited_resources(data: bytes) -> Sequence[Object]:
    """Raises Unacceptable."""
    found: list[Object] = (read(data, _KNOWN).get("limitedResources") or []) if data else []
    faults = [required(f"limitedResources[{i}].resource") for i, one in enumerate(found) if not one.get("resource")]
    if faults:
        raise Unacceptable(together(faults))
    return found
