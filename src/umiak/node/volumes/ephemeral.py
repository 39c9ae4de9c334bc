"""ephemeral: a claim made for this pod alone, named after pod and volume (KEP-1698)."""

from msgspec.structs import replace

from umiak.api.core.persistentvolumeclaim import KIND as CLAIMS
from umiak.node.volume import CannotMount, Mounted, Request, VolumeType
from umiak.node.volumes import persistentvolumeclaim
from umiak.objects import meta


async def mount(request: Request) -> Mounted:
    name = f"{meta.name(request.pod)}-{request.name}"
    claim = await request.tools.fetch.find(
        CLAIMS, meta.namespace(request.pod), name, within=persistentvolumeclaim.RECENT
    )
    owner = meta.controller_of(claim) if claim else None
    if claim is not None and (owner or {}).get("uid") != meta.uid(request.pod):
        raise CannotMount(f'PVC "{name}" was not created for pod (pod is not owner)')
    return await persistentvolumeclaim.mount(replace(request, source={"claimName": name}))


VOLUME = VolumeType(field="ephemeral", plugin="ephemeral", mount=mount, removable=False)
