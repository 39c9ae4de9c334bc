"""The promise of the store, kept by the whole server: what was acknowledged is there after kill -9.

Writers create and update, watchers follow, and the server is killed 50 times at random moments; where it is several
processes, more often single ones of them. Afterwards every acknowledged write is there at its revision, no revision
was given twice, each watcher saw every change once, and nobody read less than he had been told.
"""

import asyncio
import os
import random
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from umiak.api.core import configmap
from umiak.client.client import ApiClient
from umiak.client.contract import Unreachable
from umiak.client.http import HttpTransport
from umiak.client.kubeconfig import Config
from umiak.kit.ports import free_port
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.testing.patience import LONG, until, until_so

KILLS = 50
WRITERS = 4
WATCHERS = 3
TOKEN = "crashtoken"


def runs(pid: int) -> bool:
    """Not gone, and not merely waiting for its new parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def all_end(pids: list[int]) -> None:
    """Soon; one that only just started hears of its owner's end when it is ready."""
    until(lambda: not any(map(runs, pids)), every=0.05)


class Server:
    """One data folder, one port, ever new processes."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.workers = workers
        self.port = free_port()
        (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')

    async def start(self) -> None:
        """Returns at the ready line."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "umiak.cli.main", "server"),
            *(
                f"--data-dir={self.folder / 'data'}",
                f"--port={self.port}",
                f"--token-file={self.folder / 'tokens.csv'}",
                f"--workers={self.workers}",
            ),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), LONG)
        assert b"ready" in line, line + await self.process.stdout.read()

    async def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        await self.process.wait()

    def children(self) -> list[int]:
        """The processes beside the owner of the store."""
        own = self.process.pid
        return [int(child) for child in Path(f"/proc/{own}/task/{own}/children").read_text().split()]

    async def kill_something(self, chance: random.Random) -> None:
        """Everything, or one worker, which the others have to replace."""
        if self.workers == 1 or chance.random() < 0.3:
            children = self.children()
            await self.kill()
            await self.start()
            await asyncio.to_thread(all_end, children)
            return
        if children := self.children():
            os.kill(chance.choice(children), signal.SIGKILL)
        await asyncio.sleep(0.1)

    def client(self) -> ApiClient:
        return ApiClient(
            HttpTransport(Config(server=f"https://127.0.0.1:{self.port}", token=TOKEN, insecure=True), "crash")
        )


class Story:
    """What was acknowledged, and what the watchers were told."""

    def __init__(self) -> None:
        self.acknowledged: dict[int, str] = {}
        """Names by revision."""
        self.newest: dict[str, int] = {}
        self.watched: list[list[tuple[int, str, str]]] = [[] for _ in range(WATCHERS)]
        self.over = False

    def acknowledge(self, obj: dict) -> None:
        revision = int(meta.resource_version(obj))
        assert revision not in self.acknowledged, f"revision {revision} was given twice"
        self.acknowledged[revision] = meta.name(obj)
        self.newest[meta.name(obj)] = max(revision, self.newest.get(meta.name(obj), 0))


async def write(story: Story, client: ApiClient, other: ApiClient, number: int) -> None:
    """Creates an object, updates it once, goes on to the next. What became of a write that was cut off is unknown.
    What was acknowledged is read over another connection, which may lead to another process."""
    count = 0
    while not story.over:
        count += 1
        obj = {"metadata": {"name": f"w{number}-{count}", "namespace": "default"}, "data": {"n": str(count)}}
        with suppress(Unreachable, StatusError):
            made = await client.create(configmap.KIND, obj)
            story.acknowledge(made)
            found = await other.get(configmap.KIND, meta.name(made), "default")
            assert int(meta.resource_version(found)) >= int(meta.resource_version(made)), "read less than was told"
            made["data"]["again"] = "yes"
            story.acknowledge(await client.update(configmap.KIND, made))
            continue
        await asyncio.sleep(0.01)


async def watch(story: Story, client: ApiClient, number: int, start: str) -> None:
    """Follows from `start`, taking up after each crash where it was."""
    seen, version = story.watched[number], start
    while True:
        with suppress(Unreachable):
            async for event in client.watch(configmap.KIND, "default", resource_version=version, timeout=60):
                version = meta.resource_version(event.object)
                if event.type != "BOOKMARK":
                    seen.append((int(version), event.type, meta.name(event.object)))
        await asyncio.sleep(0.01)


async def crash(story: Story, server: Server, chance: random.Random) -> None:
    """Kills once something more was acknowledged, however long that takes after the last time."""
    for _ in range(KILLS):
        had = len(story.acknowledged)
        await until_so(lambda had=had: len(story.acknowledged) > had, every=0.01)
        await asyncio.sleep(chance.uniform(0.02, 0.2))
        await server.kill_something(chance)
    await until_so(lambda: len(server.children()) >= server.workers - 1, every=0.05)
    await asyncio.sleep(0.2)
    story.over = True


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 3])
async def test_nothing_acknowledged_is_lost(tmp_path, workers):
    story, server = Story(), Server(tmp_path, workers)
    await server.start()
    client = server.client()
    first = await client.list(configmap.KIND, "default")
    watchers = [asyncio.create_task(watch(story, server.client(), n, first.resource_version)) for n in range(WATCHERS)]
    writers = [write(story, server.client(), server.client(), n) for n in range(WRITERS)]
    await asyncio.gather(crash(story, server, random.Random(7)), *writers)
    final = await client.list(configmap.KIND, "default")
    newest = max(int(meta.resource_version(o)) for o in final.items)
    await until_so(lambda: all(seen and seen[-1][0] >= newest for seen in story.watched), every=0.01)
    for task in watchers:
        task.cancel()
    await server.kill()
    check(story, {meta.name(o): int(meta.resource_version(o)) for o in final.items}, first.items)


def check(story: Story, final: dict[str, int], before: list[dict]) -> None:
    lost = {name: rv for name, rv in story.newest.items() if final.get(name, 0) < rv}
    assert not lost, f"acknowledged writes are gone: {lost}"
    assert len(set(final.values())) == len(final)
    known = {meta.name(o) for o in before}
    for seen in story.watched:
        revisions = [revision for revision, _, _ in seen]
        assert revisions == sorted(set(revisions)), "a watcher saw something twice or out of order"
        told = dict.fromkeys(revisions)
        assert not [r for r in story.acknowledged if r not in told], "a watcher missed an acknowledged write"
        assert {n for _, t, n in seen if t == "ADDED"} >= set(final) - known, "a watcher missed a creation"
