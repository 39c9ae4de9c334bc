"""containerd keeps the contract."""

import importlib.util
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from umiak.node.cri.client import Cri
from umiak.node.runtime import Unreachable

_path = Path(__file__).parents[1] / "runtime_contract.py"
_spec = importlib.util.spec_from_file_location("runtime_contract", _path)
_contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_contract)


@pytest.mark.root
@pytest.mark.cluster
@pytest.mark.slow
class TestCri(_contract.RuntimeContract):
    image = "umiak.test/busybox:1"

    @pytest.fixture
    async def runtime(self, containerd) -> AsyncIterator[Cri]:
        cri = Cri(containerd.endpoint)
        yield cri
        await cri.close()


async def test_nobody_at_the_socket(tmp_path) -> None:
    with pytest.raises(Unreachable):
        await Cri(f"unix://{tmp_path}/none.sock").version()


def test_only_unix_sockets() -> None:
    with pytest.raises(ValueError, match="is not a unix socket"):
        Cri("tcp://127.0.0.1:1")
