"""downwardAPI: what the pod may know of itself, as files; labels and annotations follow their changes."""

from umiak.node.projection import DEFAULT_MODE, from_downward, put
from umiak.node.volume import Mounted, Request, VolumeType


async def mount(request: Request) -> Mounted:
    mode = request.source.get("defaultMode")
    files = from_downward(request, request.source.get("items") or (), DEFAULT_MODE if mode is None else mode)
    return await put(request, files, in_memory=True)


VOLUME = VolumeType(field="downwardAPI", plugin="downward-api", mount=mount)
