"""ServiceCIDRs are marked ready, and stay while an address needs them (KEP-1880)."""

import pytest

from umiak.api.core import service
from umiak.api.networking import servicecidr
from umiak.controllers.servicecidr import CONTROLLER, is_covered, is_needed
from umiak.objects.types import Object
from umiak.testing.workbench import Workbench


def a_range(name: str, *cidrs: str) -> Object:
    return {"metadata": {"name": name}, "spec": {"cidrs": list(cidrs)}}


@pytest.mark.parametrize(
    ("cidrs", "others", "covered"),
    [
        pytest.param(["10.1.0.0/24"], ["10.1.0.0/16"], True, id="within a larger one"),
        pytest.param(["10.1.0.0/24"], ["10.1.0.0/24"], True, id="the same again"),
        pytest.param(["10.1.0.0/16"], ["10.1.0.0/24"], False, id="around a smaller one"),
        pytest.param(["10.1.0.0/24", "fd00::/112"], ["10.1.0.0/16"], False, id="of one family only"),
    ],
)
def test_is_covered(cidrs: list[str], others: list[str], covered: bool) -> None:
    assert is_covered(a_range("a", *cidrs), [a_range("b", *others)]) is covered


def test_is_needed() -> None:
    mine, other = a_range("a", "10.1.0.0/24"), a_range("b", "10.1.0.0/28")
    assert is_needed(mine, [], ["10.1.0.9"])
    assert is_needed(mine, [other], ["10.1.0.200"])
    assert not is_needed(mine, [other], ["10.1.0.9", "10.2.0.1"])


async def state(cluster: Workbench) -> tuple[str, str] | None:
    found = await cluster.find(servicecidr.KIND, "more")
    if found is None:
        return None
    (condition,) = (found.get("status") or {})["conditions"]
    return condition["status"], condition["reason"]


async def test_a_range_in_use_stays() -> None:
    async with Workbench.real() as cluster, cluster.running(CONTROLLER):
        await cluster.create(servicecidr.KIND, a_range("more", "10.200.0.0/24"))
        assert await state(cluster) == ("True", "")
        spec = {"clusterIP": "10.200.0.7", "ports": [{"port": 80}]}
        await cluster.create(service.KIND, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        await cluster.delete(servicecidr.KIND, "more")
        await cluster.clock.advance(30)
        assert await state(cluster) == ("False", "Terminating")
        await cluster.delete(service.KIND, "web", "default")
        await cluster.clock.advance(1)
        assert await state(cluster) is None
