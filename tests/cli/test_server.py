"""`umiak server` as a user runs it: one ready line, a kubeconfig that works, one clear line for each mishap."""

import http.client
import os
import signal
import sqlite3
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from umiak.client.kubeconfig import load
from umiak.kit.ports import free_port
from umiak.testing.patience import LONG, until

pytestmark = pytest.mark.slow


def umiak(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "umiak.cli.main", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def failed(*words: str) -> str:
    """What a command that cannot do its work says; one line, no traceback."""
    process = umiak(*words)
    _, said = process.communicate(timeout=LONG)
    assert process.returncode in (1, 2)
    assert "Traceback" not in said
    return said


@pytest.fixture
def port() -> int:
    return free_port()


def test_it_says_when_it_is_ready_and_writes_a_kubeconfig(tmp_path, port):
    process = umiak("server", f"--data-dir={tmp_path}", f"--port={port}")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(f"umiak server is ready on https://127.0.0.1:{port} after ")
        assert load(str(tmp_path / "admin.kubeconfig")).server == f"https://127.0.0.1:{port}"
        assert (tmp_path / "admin.kubeconfig").stat().st_mode & 0o077 == 0
        assert (tmp_path / "ca.key").stat().st_mode & 0o077 == 0
        assert "is in use by another umiak server" in failed("server", f"--data-dir={tmp_path}", "--port=0")
        other = tmp_path / "other"
        assert f"cannot listen on 127.0.0.1:{port}" in failed("server", f"--data-dir={other}", f"--port={port}")
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0
    finally:
        process.kill()
        process.communicate()


def children(process: subprocess.Popen[str]) -> list[int]:
    return [int(n) for n in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def get(port: int, path: str) -> str:
    """Over a connection of its own, which may lead to any process."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=ssl._create_unverified_context(), timeout=LONG)
    connection.request("GET", path, headers={"Authorization": "Bearer secret"})
    answer = connection.getresponse()
    assert answer.status == 200
    text = answer.read().decode()
    connection.close()
    return text


LISTED = 'apiserver_request_total{verb="LIST",dry_run="",group="",version="v1",resource="nodes"'


def test_workers_share_the_work_and_are_replaced(tmp_path, port):
    (tmp_path / "tokens").write_text('secret,admin,admin,"system:masters"\n')
    words = f"--data-dir={tmp_path}", f"--port={port}", "--workers=3", f"--token-file={tmp_path / 'tokens'}"
    process = umiak("server", *words)
    try:
        assert process.stdout is not None and "is ready" in process.stdout.readline()
        before = children(process)
        assert len(before) == 2
        for _ in range(9):
            get(port, "/api/v1/nodes")
        for _ in range(3):
            (counted,) = [line for line in get(port, "/metrics").splitlines() if line.startswith(LISTED)]
            assert counted.endswith(" 9"), "whoever is asked tells what all did"
        os.kill(before[0], signal.SIGKILL)
        until(lambda: before[0] not in children(process) and len(children(process)) == 2, every=0.02)
        now = children(process)
        assert before[1] in now, "the others go on"
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONG) == 0
        assert not [pid for pid in now if Path(f"/proc/{pid}").exists()]
    finally:
        process.kill()
        _, said = process.communicate()
    assert said == f"WARNING umiak.server.crew.owner: worker 0 (process {before[0]}) ended with -9\n"


def test_a_data_folder_of_a_newer_version_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "store.db") as store:
        store.execute("PRAGMA user_version = 99")
    store.close()
    before = (tmp_path / "store.db").read_bytes()
    assert "has store format 99; this umiak reads format" in failed("server", f"--data-dir={tmp_path}", "--port=0")
    assert (tmp_path / "store.db").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["server", "--data-dir={}", "--port=70000"], "--port 70000 is no port number"),
        (["server", "--data-dir={}", "--store=lmdb"], '--store lmdb: unknown store; choose "sqlite" or "memory"'),
        (["server", "--data-dir={}", "--workers=99"], "--workers 99: choose 1 to 16"),
        (["server", "--data-dir={}", "--workers=2", "--store=memory"], "--store memory is one process's own"),
        (["server", "--data-dir={}", "--token-file=/nowhere"], "--token-file /nowhere: no such file"),
        (["server", "--data-dir={}", "--service-cidr=10.0.0.0/99"], "--service-cidr: "),
        (["server", "--data-dir=/proc/nowhere"], "--data-dir /proc/nowhere: "),
        (["server"], "the following arguments are required: --data-dir"),
        (["scheduler", "--kubeconfig=/nowhere"], "no kubeconfig at /nowhere"),
        (["controllers", "--kubeconfig=/nowhere"], "no kubeconfig at /nowhere"),
        (["up", "--config=/nowhere"], "/nowhere: No such file or directory"),
        (["frobnicate"], 'unknown command "frobnicate"; commands are: '),
    ],
)
def test_mishaps_are_told_in_one_line(tmp_path, words, complaint):
    assert complaint in failed(*(word.format(tmp_path) for word in words))


def test_the_overview_lists_every_command():
    process = umiak("--help")
    text, _ = process.communicate(timeout=LONG)
    assert process.returncode == 0
    for name in ("up", "down", "status", "server", "node", "image", "kubeconfig", "dev"):
        assert f"\n  {name} " in text


@pytest.mark.parametrize(
    ("flag", "why"),
    [
        ("--proxy-client-cert-file=x", "--proxy-client-cert-file and --proxy-client-key-file must be given together"),
        ("--requestheader-client-ca-file=/none", "--requestheader-client-ca-file /none: no such file"),
    ],
)
def test_front_proxies_that_can_not_be(tmp_path, flag, why):
    assert why in failed("server", f"--data-dir={tmp_path}", "--port=0", flag)
