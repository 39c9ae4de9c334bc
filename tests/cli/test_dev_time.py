"""umiak dev with manifests of its own, and with time that stands still."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from umiak.api.batch.job import KIND as JOB
from umiak.cli import dev
from umiak.cli.command import CommandError
from umiak.client.client import ApiClient
from umiak.client.http import HttpTransport
from umiak.client.kubeconfig import load
from umiak.objects.errors import StatusError
from umiak.testing.patience import LONG

HOURLY = """
apiVersion: batch/v1
kind: CronJob
metadata: {name: hourly}
spec:
  schedule: "0 * * * *"
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: job, image: "job:1"}]}}}}
"""


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "hourly.yaml").write_text(HOURLY)
    file = tmp_path / "kubeconfig"
    words = [sys.executable, "-m", "umiak.cli.main", "dev", "--real-time", "false"]
    words += ["--load", str(tmp_path), "--kubeconfig", str(file)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("umiak dev is ready")
            yield file
        finally:
            process.terminate()
            process.wait(LONG)


async def hours(client: ApiClient, count: int) -> str:
    """Lets them pass; the time it is then."""
    answer = await client.raw("POST", "/umiak/clock", {"seconds": count * 3600})
    return str(msgspec.json.decode(answer.body)["now"])


@pytest.mark.slow
def test_hours_pass_when_asked_to(kubeconfig: Path) -> None:
    async def use() -> None:
        transport = HttpTransport(load(str(kubeconfig)), "test")
        client = ApiClient(transport)
        try:
            before = msgspec.json.decode((await client.raw("GET", "/umiak/clock")).body)["now"]
            assert await hours(client, 2) > before
            assert len((await client.list(JOB)).items) == 2
            with pytest.raises(StatusError, match="must be between 0 and"):
                await hours(client, -1)
        finally:
            await transport.close()

    asyncio.run(use())


@pytest.mark.parametrize(
    ("text", "why"), [(None, "No such file or directory"), ("a: [", "--load: "), ("kind: List", "")]
)
def test_manifests_that_can_not_be_read(tmp_path: Path, text: str | None, why: str) -> None:
    file = tmp_path / "a.yaml"
    if text is not None:
        file.write_text(text)
    if not why:
        assert dev.read([file]) == []
        return
    with pytest.raises(CommandError, match=why):
        dev.read([file])
