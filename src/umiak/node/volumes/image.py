"""image: the files of an OCI image, read only (KEP-4639). The runtime mounts them; here the image is fetched."""

from umiak.node.pull import NoImage
from umiak.node.runtime import SandboxConfig
from umiak.node.volume import CannotMount, Mounted, Request, VolumeType
from umiak.objects import meta


async def mount(request: Request) -> Mounted:
    tools = request.tools
    reference = request.source.get("reference", "")
    policy = request.source.get("pullPolicy") or ("Always" if reference.endswith(":latest") else "IfNotPresent")
    wanted = {"name": request.name, "image": reference, "imagePullPolicy": policy}
    sandbox = SandboxConfig(
        name=meta.name(request.pod), namespace=meta.namespace(request.pod), uid=meta.uid(request.pod)
    )

    def tell(type: str, reason: str, message: str) -> None:
        tools.event(request.pod, type, reason, message)

    try:
        found = await tools.puller.ensure(request.pod, wanted, (), sandbox, tell)
    except NoImage as error:
        raise CannotMount(error.failure.message) from error
    return Mounted(path=request.path, readonly=True, image=found.id)


VOLUME = VolumeType(field="image", plugin="image", mount=mount, removable=False)
