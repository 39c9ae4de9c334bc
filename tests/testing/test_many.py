"""Many clusters: one after the other nothing is left behind, and side by side none disturbs another."""

import gc
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from umiak.testing import Cluster

pytestmark = [pytest.mark.slow]
CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}
MOST_GROWTH = 12.0
"""MiB that a hundred clusters may add: what allocators keep for the next."""
PROGRAM = """
from umiak.testing import Cluster
with Cluster(controllers=False) as cluster:
    for number in range(20):
        cluster.client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c-{number}"}})
    print(len(cluster.client.list("configmaps", "default")), cluster.url)
"""


def resident() -> float:
    """MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def one() -> None:
    with Cluster(controllers=False) as cluster:
        cluster.client.create(CONFIG)


def test_a_hundred_leave_nothing() -> None:
    for _ in range(60):  # until allocators have what they keep
        one()
    gc.collect()
    before = resident(), threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(100):
        one()
    gc.collect()
    after = resident(), threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))
    assert after[1:] == before[1:]
    assert after[0] - before[0] < MOST_GROWTH


def test_eight_processes_at_once() -> None:
    words = [sys.executable, "-c", PROGRAM]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    answers = [process.communicate()[0].split() for process in running]
    assert [count for count, _ in answers] == ["20"] * 8
    assert len({url for _, url in answers}) == 8
