"""configMap: the keys of a ConfigMap as files, kept up to date."""

from umiak.node.projection import DEFAULT_MODE, from_config_map, put
from umiak.node.volume import Mounted, Request, VolumeType


async def mount(request: Request) -> Mounted:
    source = request.source
    mode = source.get("defaultMode")
    files = await from_config_map(request, source, source.get("name", ""), DEFAULT_MODE if mode is None else mode)
    return await put(request, files, in_memory=False)


VOLUME = VolumeType(field="configMap", plugin="configmap", mount=mount)
