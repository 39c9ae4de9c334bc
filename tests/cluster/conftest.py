"""One cluster for all tests of this folder, with the guestbook in it."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from machines import GUESTBOOK, Machine

from umiak.kit.ports import free_port

running: list[Machine] = []
"""Whose logs are shown when a test fails."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.failed:
        report.sections += [section for machine in running for section in machine.last_words()]
    return report


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Up before the first test that asks for it, down and deleted after the last."""
    if os.geteuid() != 0:
        pytest.skip("a cluster needs root")
    folder = tmp_path_factory.mktemp("cluster")
    made = Machine(folder / "cluster.yaml", folder / "data", folder / "run")
    made.config.write_text(
        f"nodeName: e2e\ndataDir: {made.data}\nrunDir: {made.run}\n"
        f"port: {free_port('0.0.0.0')}\nnodePort: {free_port('0.0.0.0')}\n"
    )
    made.before = made.traces()
    running.append(made)
    try:
        made.bring_up()
        node = "jsonpath={.items[0].status.addresses[?(@.type=='InternalIP')].address}"
        made.address = made.kubectl("get", "nodes", "-o", node)
        yield made
    finally:
        running.remove(made)
        made.umiak("reset", "--yes")


@pytest.fixture(scope="session")
def images(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The guestbook's images, built and imported as its README says."""
    folder = tmp_path_factory.mktemp("images")
    files = []
    for name in ("web", "store"):
        machine.umiak("image", "build", str(GUESTBOOK / name), "-o", str(folder / f"{name}.tar"))
        files.append(str(folder / f"{name}.tar"))
    machine.umiak("image", "import", f"--runtime=unix://{machine.run}/containerd/containerd.sock", *files)


@pytest.fixture(scope="session")
def guestbook(machine: Machine, images: None) -> Machine:
    machine.kubectl("apply", "-k", str(GUESTBOOK / "deploy"))
    machine.kubectl("-n", "guestbook", "rollout", "status", "statefulset/redis", "--timeout=300s")
    machine.kubectl("-n", "guestbook", "rollout", "status", "deployment/web", "--timeout=300s")
    return machine
