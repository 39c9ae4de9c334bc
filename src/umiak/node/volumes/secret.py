"""secret: the keys of a Secret as files that never touch a disk, kept up to date."""

from umiak.node.projection import DEFAULT_MODE, from_secret, put
from umiak.node.volume import Mounted, Request, VolumeType


async def mount(request: Request) -> Mounted:
    source = request.source
    mode = source.get("defaultMode")
    files = await from_secret(request, source, source.get("secretName", ""), DEFAULT_MODE if mode is None else mode)
    return await put(request, files, in_memory=True)


VOLUME = VolumeType(field="secret", plugin="secret", mount=mount)
