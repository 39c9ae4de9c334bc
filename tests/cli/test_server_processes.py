"""What clients may rely on though each of their connections leads to another process of the server."""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from itertools import cycle

import msgspec
import pytest

from umiak.client.http import HttpTransport
from umiak.client.kubeconfig import Config
from umiak.kit.ports import free_port
from umiak.testing.patience import LONG

pytestmark = [pytest.mark.slow]
PODS = "/api/v1/namespaces/default/pods"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


class Clients:
    """One connection to each process, used in turn."""

    def __init__(self, port: int, count: int) -> None:
        config = Config(server=f"https://127.0.0.1:{port}", token="secret", insecure=True)
        self.transports = [HttpTransport(config, "test", max_connections=1) for _ in range(count)]
        self._turn = cycle(self.transports)

    async def __call__(self, method: str, target: str, body: dict | None = None) -> tuple[int, dict]:
        sent = msgspec.json.encode(body) if body is not None else b""
        answer = await next(self._turn).request(method, target, {"Content-Type": "application/json"}, sent)
        return answer.status, msgspec.json.decode(answer.body)


@pytest.fixture
async def clients(tmp_path) -> AsyncIterator[Clients]:
    port = free_port()
    (tmp_path / "tokens").write_text('secret,admin,admin,"system:masters"\n')
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "umiak.cli.main", "server", f"--data-dir={tmp_path}", f"--port={port}"),
        *("--workers=3", f"--token-file={tmp_path / 'tokens'}"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None and b"is ready" in await process.stdout.readline()
    made = Clients(port, 3)
    await made("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "default"}})
    yield made
    for transport in made.transports:
        await transport.close()
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


def a_definition(plural: str) -> dict:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": plural[:-1], "kind": plural[:-1].title()}
    spec = {"group": "example.org", "scope": "Namespaced", "names": names, "versions": [version]}
    return {"metadata": {"name": f"{plural}.example.org"}, "spec": spec}


async def test_what_one_process_established_all_serve(clients):
    """A definition is served everywhere as soon as anybody can know that it is established."""
    for number in range(8):
        plural = f"things{number}s"
        status, _ = await clients("POST", DEFINITIONS, a_definition(plural))
        assert status == 201
        async with asyncio.timeout(LONG):
            established = False
            while not established:
                _, found = await clients("GET", f"{DEFINITIONS}/{plural}.example.org")
                conditions = (found.get("status") or {}).get("conditions") or []
                established = any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
        path = f"/apis/example.org/v1/namespaces/default/{plural}"
        body = {"apiVersion": "example.org/v1", "kind": plural[:-1].title(), "metadata": {"name": "x"}}
        assert (await clients("POST", path, body))[0] == 201
        assert [(await clients("GET", f"{path}/x"))[0] for _ in range(3)] == [200] * 3


async def test_a_quota_holds_for_all_processes_together(clients):
    """All try at once; compare-and-swap on the quota decides."""
    quota = {"metadata": {"name": "few"}, "spec": {"hard": {"pods": "5"}}}
    assert (await clients("POST", "/api/v1/namespaces/default/resourcequotas", quota))[0] == 201
    used = {**quota, "status": {"hard": {"pods": "5"}, "used": {"pods": "0"}}}  # the controller's part
    assert (await clients("PUT", "/api/v1/namespaces/default/resourcequotas/few/status", used))[0] == 200
    pod = {"metadata": {"generateName": "p-"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    answers = await asyncio.gather(*(clients("POST", PODS, pod) for _ in range(18)))
    assert Counter(status for status, _ in answers) == {201: 5, 403: 13}
    assert all("exceeded quota: few" in told["message"] for status, told in answers if status == 403)


async def test_what_was_answered_is_seen_by_all(clients):
    """What one connection wrote, the next ones read."""
    path = "/api/v1/namespaces/default/configmaps"
    for number in range(60):
        status, made = await clients("POST", path, {"metadata": {"name": f"c{number}"}})
        assert status == 201
        status, listed = await clients("GET", path)
        assert f"c{number}" in [item["metadata"]["name"] for item in listed["items"]]
        assert int(listed["metadata"]["resourceVersion"]) >= int(made["metadata"]["resourceVersion"])
        assert (await clients("DELETE", f"{path}/c{number}"))[0] == 200
        assert (await clients("GET", f"{path}/c{number}"))[0] == 404


async def test_pages_of_one_list_come_from_any_process(clients):
    path = "/api/v1/namespaces/default/configmaps"
    for number in range(9):
        await clients("POST", path, {"metadata": {"name": f"c{number}"}})
    names, token, revisions = [], "", set()
    while True:
        status, page = await clients("GET", f"{path}?limit=2&continue={token}")
        assert status == 200
        names += [item["metadata"]["name"] for item in page["items"]]
        revisions.add(page["metadata"]["resourceVersion"])
        token = page["metadata"].get("continue", "")
        await clients("DELETE", f"{path}/c8")  # later pages show it still
        if not token:
            break
    assert names == [f"c{number}" for number in range(9)] and len(revisions) == 1


async def test_two_updates_of_one_version_conflict_whoever_gets_them(clients):
    path = "/api/v1/namespaces/default/configmaps"
    _, made = await clients("POST", path, {"metadata": {"name": "c"}})
    answers = await asyncio.gather(
        *(clients("PUT", f"{path}/c", {**made, "data": {"n": str(number)}}) for number in range(6))
    )
    assert Counter(status for status, _ in answers) == {200: 1, 409: 5}
