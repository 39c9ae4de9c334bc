"""Who sets an owner must be allowed to delete what is owned, and to finalize an owner that shall wait for it.

Source: `plugin/pkg/admission/gc`.
"""

from collections.abc import Iterator

import msgspec

from umiak.objects.types import Object
from umiak.server.admission._common import refuse
from umiak.server.contract import Admission, Admitted, Attributes, Phase, Surroundings

NOT_FINALIZED = "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on"
EXEMPT = {("", "pods", "status")}


def concerns(request: Admitted) -> bool:
    asked = request.attributes
    if request.operation not in ("CREATE", "UPDATE") or (asked.group, asked.resource, asked.subresource) in EXEMPT:
        return False
    return _owners(request.new) != _owners(request.old)


def _owners(obj: Object | None) -> list[Object]:
    return ((obj or {}).get("metadata") or {}).get("ownerReferences") or []


def newly_blocking(new: Object | None, old: Object | None) -> list[Object]:
    """The owners that shall wait for the object and did not before."""
    before = {ref.get("uid") for ref in _owners(old) if ref.get("blockOwnerDeletion")}
    return [ref for ref in _owners(new) if ref.get("blockOwnerDeletion") and ref.get("uid") not in before]


async def run(around: Surroundings, request: Admitted, phase: Phase) -> None:
    asked = request.attributes
    if request.operation != "CREATE":
        decision = await around.authorizer.authorize(msgspec.structs.replace(asked, verb="delete"))
        if not decision.allowed:
            told = f"{decision.reason}, {decision.error or '<nil>'}"
            raise refuse(request, f"cannot set an ownerRef on a resource you can't delete: {told}")
    blocking = newly_blocking(request.new, request.old)
    if not blocking or await _may_finalize_anything(around, asked):
        return
    for ref in blocking:
        for leave in _leaves(around, request, ref):
            decision = await around.authorizer.authorize(leave)
            if not decision.allowed:
                raise refuse(request, f"{NOT_FINALIZED}: {decision.reason}, {decision.error or '<nil>'}")


async def _may_finalize_anything(around: Surroundings, asked: Attributes) -> bool:
    leave = Attributes(asked.user, "update", "*", "*", "*", "finalizers", name="*")
    return (await around.authorizer.authorize(leave)).allowed


def _leaves(around: Surroundings, request: Admitted, ref: Object) -> Iterator[Attributes]:
    """The update of the owner's finalizers. Raises 403 when there is no such kind."""
    version, kind = ref.get("apiVersion") or "", ref.get("kind") or ""
    found = [one for one in around.kinds() if (one.api_version, one.kind) == (version, kind)]
    if not found:
        why = f"cannot find RESTMapping for APIVersion {version} Kind {kind}"
        told = f'no matches for kind "{kind}" in version "{version}"'
        raise refuse(request, f"cannot set blockOwnerDeletion in this case because {why}: {told}")
    asked = request.attributes
    for one in found:
        yield Attributes(
            asked.user,
            "update",
            one.group,
            one.version,
            one.plural,
            "finalizers",
            asked.namespace if one.namespaced else "",
            ref.get("name") or "",
        )


ADMISSION = Admission(
    name="OwnerReferencesPermissionEnforcement", order=21, phases=(Phase.VALIDATE,), run=run, concerns=concerns
)
