"""A `Runtime` over CRI v1: one method per call, time limits as kubelet's."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Any

from umiak.node.cri import containerd, decode, encode
from umiak.node.cri.channel import Channel
from umiak.node.cri.messages import message
from umiak.node.runtime import (
    Auth,
    Container,
    ContainerConfig,
    ContainerStatus,
    ExecResult,
    Filesystem,
    Health,
    Image,
    Missing,
    Resources,
    RuntimeFailure,
    Sandbox,
    SandboxConfig,
    Streams,
    Unsupported,
    Usage,
    Version,
)

DEFAULT_TIMEOUT = 120.0  # kubelet's runtimeRequestTimeout
SANDBOX_TIMEOUT = 240.0  # twice that, as kubelet gives RunPodSandbox
PULL_TIMEOUT = 3600.0  # kubelet sets none; a lost answer must still end

POD_UID = "io.kubernetes.pod.uid"


class Cri:
    """A container runtime behind a unix socket."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._channel = Channel(endpoint)

    async def _call(self, service: str, method: str, limit: float | None = DEFAULT_TIMEOUT, **fields: Any) -> Any:
        request = message(f"{method}Request")(**{k: v for k, v in fields.items() if v is not None})
        path = f"/runtime.v1.{service}Service/{method}"
        return await self._channel.call(path, request, message(f"{method}Response"), limit)

    async def _runtime(self, method: str, limit: float | None = DEFAULT_TIMEOUT, **fields: Any) -> Any:
        return await self._call("Runtime", method, limit, **fields)

    async def _images(self, method: str, limit: float | None = DEFAULT_TIMEOUT, **fields: Any) -> Any:
        return await self._call("Image", method, limit, **fields)

    async def version(self) -> Version:
        found = await self._runtime("Version", version="v1")
        return Version(found.runtime_name, found.runtime_version, found.runtime_api_version)

    async def health(self) -> Health:
        return decode.health(await self._runtime("Status"))

    async def set_pod_cidr(self, cidr: str) -> None:
        await self._runtime("UpdateRuntimeConfig", runtime_config={"network_config": {"pod_cidr": cidr}})

    async def run_sandbox(self, config: SandboxConfig, handler: str = "") -> str:
        fields = encode.sandbox(config)
        answer = await self._runtime("RunPodSandbox", SANDBOX_TIMEOUT, config=fields, runtime_handler=handler)
        return answer.pod_sandbox_id

    async def stop_sandbox(self, id: str) -> None:
        await self._unless_missing("StopPodSandbox", pod_sandbox_id=id)

    async def remove_sandbox(self, id: str) -> None:
        await self._unless_missing("RemovePodSandbox", pod_sandbox_id=id)

    async def _unless_missing(self, method: str, limit: float | None = DEFAULT_TIMEOUT, **fields: Any) -> None:
        with suppress(Missing):
            await self._runtime(method, limit, **fields)

    async def sandbox(self, id: str) -> Sandbox:
        return decode.sandbox((await self._runtime("PodSandboxStatus", pod_sandbox_id=id)).status)

    async def sandboxes(self, uid: str = "") -> list[Sandbox]:
        wanted = {"label_selector": {POD_UID: uid}} if uid else None
        return [decode.sandbox(s) for s in (await self._runtime("ListPodSandbox", filter=wanted)).items]

    async def create_container(self, sandbox_id: str, config: ContainerConfig, sandbox: SandboxConfig) -> str:
        answer = await self._runtime(
            "CreateContainer",
            pod_sandbox_id=sandbox_id,
            config=encode.container(config),
            sandbox_config=encode.sandbox(sandbox),
        )
        return answer.container_id

    async def start_container(self, id: str) -> None:
        await self._runtime("StartContainer", container_id=id)

    async def stop_container(self, id: str, grace: int) -> None:
        await self._unless_missing("StopContainer", DEFAULT_TIMEOUT + grace, container_id=id, timeout=grace)

    async def remove_container(self, id: str) -> None:
        await self._unless_missing("RemoveContainer", container_id=id)

    async def container(self, id: str) -> ContainerStatus:
        return decode.container_status((await self._runtime("ContainerStatus", container_id=id)).status)

    async def containers(self, uid: str = "") -> list[Container]:
        wanted = {"label_selector": {POD_UID: uid}} if uid else None
        return [decode.container(c) for c in (await self._runtime("ListContainers", filter=wanted)).containers]

    async def update_resources(self, id: str, resources: Resources) -> None:
        await self._runtime("UpdateContainerResources", container_id=id, linux=encode.resources(resources))

    async def reopen_log(self, id: str) -> None:
        await self._runtime("ReopenContainerLog", container_id=id)

    async def exec(self, id: str, command: Sequence[str], timeout: float) -> ExecResult:
        limit = DEFAULT_TIMEOUT + timeout if timeout else None
        found = await self._runtime(
            "ExecSync", limit, container_id=id, cmd=list(command), timeout=max(1, round(timeout)) if timeout else 0
        )
        return ExecResult(found.stdout, found.stderr, found.exit_code)

    async def exec_url(self, id: str, command: Sequence[str], streams: Streams) -> str:
        answer = await self._runtime(
            "Exec",
            container_id=id,
            cmd=list(command),
            tty=streams.tty,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
        )
        return answer.url

    async def attach_url(self, id: str, streams: Streams) -> str:
        answer = await self._runtime(
            "Attach",
            container_id=id,
            tty=streams.tty,
            stdin=streams.stdin,
            stdout=streams.stdout,
            stderr=streams.stderr,
        )
        return answer.url

    async def port_forward_url(self, sandbox_id: str) -> str:
        return (await self._runtime("PortForward", pod_sandbox_id=sandbox_id)).url

    async def usage(self) -> list[Usage]:
        return [decode.usage(s) for s in (await self._runtime("ListContainerStats")).stats]

    async def events(self) -> AsyncIterator[str]:
        try:
            async for event in self._cri_events():
                yield event
        except Unsupported:
            async for event in containerd.events(self._channel):
                yield event

    async def _cri_events(self) -> AsyncIterator[str]:
        method = "/runtime.v1.RuntimeService/GetContainerEvents"
        request, reply = message("GetEventsRequest")(), message("ContainerEventResponse")
        async for event in self._channel.stream(method, request, reply):
            yield event.pod_sandbox_status.metadata.uid

    async def images(self) -> list[Image]:
        return [decode.image(i) for i in (await self._images("ListImages")).images]

    async def image(self, name: str) -> Image | None:
        found = await self._images("ImageStatus", image={"image": name})
        return decode.image(found.image) if found.HasField("image") and found.image.id else None

    async def pull(self, name: str, auth: Auth | None, sandbox: SandboxConfig | None) -> str:
        answer = await self._images(
            "PullImage",
            PULL_TIMEOUT,
            image={"image": name},
            auth=encode.auth(auth),
            sandbox_config=sandbox and encode.sandbox(sandbox),
        )
        if not answer.image_ref:
            raise RuntimeFailure(f"image {name} was pulled without a reference")
        return answer.image_ref

    async def remove_image(self, name: str) -> None:
        await self._images("RemoveImage", image={"image": name})

    async def image_filesystems(self) -> list[Filesystem]:
        return [decode.filesystem(f) for f in (await self._images("ImageFsInfo")).image_filesystems]

    async def close(self) -> None:
        self._channel.close()
