"""What every container runtime must do, real or fake. Subclasses bring the fixture `runtime` and an image's name."""

import asyncio
import uuid
from contextlib import suppress

import pytest

from umiak.node.names import POD_UID
from umiak.node.runtime import ContainerConfig, Missing, Runtime, SandboxConfig, State
from umiak.testing.patience import LONG, until_so


async def until_exited(runtime: Runtime, id: str):
    """The status once the container has ended; real ones take a moment."""

    async def ended() -> bool:
        return (await runtime.container(id)).state == State.EXITED

    await until_so(ended, every=0.02)
    return await runtime.container(id)


class RuntimeContract:
    image = "busybox:1"

    @pytest.fixture
    def config(self, tmp_path) -> SandboxConfig:
        uid = str(uuid.uuid4())
        return SandboxConfig(
            name="pod", namespace="default", uid=uid, labels={POD_UID: uid}, log_directory=str(tmp_path), hostname="pod"
        )

    async def started(self, runtime: Runtime, config: SandboxConfig, *command: str) -> tuple[str, str]:
        """Sandbox and container, running `command`."""
        sandbox = await runtime.run_sandbox(config)
        return sandbox, await self.added(runtime, config, sandbox, *command)

    async def added(self, runtime: Runtime, config: SandboxConfig, sandbox: str, *command: str) -> str:
        """A container in the sandbox, running `command`."""
        image = await runtime.image(self.image)
        assert image is not None
        wanted = ContainerConfig(
            name="main",
            image=image.id,
            user_image=self.image,
            command=command,
            labels=dict(config.labels),
            annotations={"a": "b"},
            log_path="main/0.log",
        )
        id = await runtime.create_container(sandbox, wanted, config)
        await runtime.start_container(id)
        return id

    async def test_is_healthy(self, runtime: Runtime) -> None:
        health = await runtime.health()
        assert health.problem("RuntimeReady") == ""
        assert (await runtime.version()).name

    async def test_sandbox_has_an_address_and_is_found_by_uid(self, runtime: Runtime, config: SandboxConfig) -> None:
        id = await runtime.run_sandbox(config)
        sandbox = await runtime.sandbox(id)
        assert (sandbox.uid, sandbox.name, sandbox.ready, sandbox.attempt) == (config.uid, "pod", True, 0)
        assert len(sandbox.ips) == 1
        assert [s.id for s in await runtime.sandboxes(config.uid)] == [id]
        assert await runtime.sandboxes("another") == []
        await runtime.stop_sandbox(id)
        assert not (await runtime.sandbox(id)).ready
        await runtime.remove_sandbox(id)
        assert await runtime.sandboxes(config.uid) == []

    async def test_container_runs_until_stopped(self, runtime: Runtime, config: SandboxConfig) -> None:
        _, id = await self.started(runtime, config, "sleep", "1000")
        status = await runtime.container(id)
        assert (status.name, status.state, status.attempt) == ("main", State.RUNNING, 0)
        assert status.started_at >= status.created_at - 10_000_000_000 > 0
        assert status.annotations["a"] == "b"
        await runtime.stop_container(id, 0)
        ended = await until_exited(runtime, id)
        assert (ended.exit_code, ended.reason) == (137, "Error")
        assert ended.finished_at >= ended.started_at

    @pytest.mark.parametrize(("command", "code", "reason"), [("true", 0, "Completed"), ("false", 1, "Error")])
    async def test_container_ends_by_itself(self, runtime, config, command, code, reason) -> None:
        _, id = await self.started(runtime, config, command)
        ended = await until_exited(runtime, id)
        assert (ended.exit_code, ended.reason) == (code, reason)

    async def test_lists_containers_of_one_pod(self, runtime: Runtime, config: SandboxConfig) -> None:
        sandbox, id = await self.started(runtime, config, "sleep", "1000")
        listed = await runtime.containers(config.uid)
        assert [(c.id, c.sandbox_id, c.name, c.state) for c in listed] == [(id, sandbox, "main", State.RUNNING)]
        await runtime.stop_container(id, 0)
        await runtime.remove_container(id)
        assert await runtime.containers(config.uid) == []

    async def test_exec(self, runtime: Runtime, config: SandboxConfig) -> None:
        _, id = await self.started(runtime, config, "sleep", "1000")
        assert (await runtime.exec(id, ["echo", "hello"], LONG)).stdout == b"hello\n"
        assert (await runtime.exec(id, ["false"], LONG)).exit_code == 1

    async def test_what_is_gone_is_missing_but_may_be_removed_again(self, runtime, config) -> None:
        sandbox, id = await self.started(runtime, config, "true")
        await runtime.remove_sandbox(sandbox)
        with pytest.raises(Missing):
            await runtime.container(id)
        await runtime.stop_container(id, 0)
        await runtime.remove_container(id)
        await runtime.stop_sandbox(sandbox)
        await runtime.remove_sandbox(sandbox)

    async def test_tells_of_ends(self, runtime: Runtime, config: SandboxConfig) -> None:
        told = asyncio.Event()

        async def listen() -> None:
            async for uid in runtime.events():
                if uid in ("", config.uid):
                    told.set()

        async def one_ends() -> bool:
            """Whether it is told: not if the listener does not listen yet."""
            id = await self.added(runtime, config, sandbox, "sleep", "1000")
            await runtime.stop_container(id, 0)
            await runtime.remove_container(id)
            with suppress(TimeoutError):
                await asyncio.wait_for(told.wait(), 1)
            return told.is_set()

        sandbox = await runtime.run_sandbox(config)
        listener = asyncio.create_task(listen())
        await until_so(one_ends)
        listener.cancel()

    async def test_unknown_image(self, runtime: Runtime) -> None:
        assert await runtime.image("nowhere.example/none:1") is None
        known = await runtime.image(self.image)
        assert known is not None
        assert any(i.id == known.id for i in await runtime.images())
