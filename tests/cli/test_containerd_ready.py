"""A container runtime's socket answers before the runtime does its work."""

import asyncio
from pathlib import Path

import pytest
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server

from umiak.cli.machine import containerd
from umiak.cli.machine.layout import Layout
from umiak.node.cri.messages import message
from umiak.testing.patience import LONG


class Recovering:
    """A runtime that says what containerd says until it has recovered, which takes `refusals` questions."""

    def __init__(self, refusals: float) -> None:
        self.refusals, self.asked = refusals, 0

    def __mapping__(self) -> dict[str, Handler]:
        request, reply = message("VersionRequest"), message("VersionResponse")
        return {"/runtime.v1.RuntimeService/Version": Handler(self._version, Cardinality.UNARY_UNARY, request, reply)}

    async def _version(self, stream) -> None:
        await stream.recv_message()
        self.asked += 1
        if self.asked <= self.refusals:
            raise GRPCError(Status.UNKNOWN, "server is not initialized yet")
        await stream.send_message(message("VersionResponse")(version="v1", runtime_name="fake"))


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    made = Layout(tmp_path)
    made.runtime_socket.parent.mkdir(parents=True, exist_ok=True)
    made.logs.mkdir(parents=True, exist_ok=True)
    return made


async def test_up_waits_until_the_runtime_has_recovered(layout):
    runtime = Recovering(refusals=3)
    server = Server([runtime])
    await server.start(path=str(layout.runtime_socket))
    try:
        await containerd.ready(layout, LONG)
    finally:
        server.close()
        await server.wait_closed()
    assert runtime.asked == 4


async def test_up_waits_for_the_socket(layout):
    server = Server([Recovering(refusals=0)])
    waiting = asyncio.ensure_future(containerd.ready(layout, LONG))
    await asyncio.sleep(0)
    await server.start(path=str(layout.runtime_socket))
    try:
        await waiting
    finally:
        server.close()
        await server.wait_closed()


async def test_the_last_answer_and_the_log_tell_why_not(layout):
    (layout.logs / "containerd.log").write_text("starting\nno space left on device\n")
    server = Server([Recovering(refusals=float("inf"))])
    await server.start(path=str(layout.runtime_socket))
    try:
        for seconds in (0.1, 1, 10, 100):  # it must have answered once
            with pytest.raises(containerd.RuntimeMissing) as caught:
                await containerd.ready(layout, seconds)
            if "(nothing)" not in str(caught.value):
                break
    finally:
        server.close()
        await server.wait_closed()
    assert f"within {seconds:g} s (" in str(caught.value)
    assert "server is not initialized yet" in str(caught.value)
    assert str(caught.value).endswith("no space left on device")
