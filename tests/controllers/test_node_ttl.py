"""How long node agents may use what they have read: situations of `ttl/ttl_controller_test.go`."""

import pytest

from umiak.api.core.node import KIND as NODE
from umiak.controllers.node_ttl import ANNOTATION, CONTROLLER, STEPS, next_step
from umiak.testing.workbench import Workbench


@pytest.mark.parametrize(
    ("step", "count", "seconds"),
    [
        (0, 0, 0),
        (0, 100, 0),
        (0, 101, 15),
        (1, 90, 15),
        (1, 89, 0),
        (1, 500, 15),
        (1, 501, 30),
        (0, 5000, 300),
        (4, 1800, 300),
        (4, 1799, 60),
        (4, 3, 0),
    ],
)
def test_steps_overlap(step: int, count: int, seconds: int) -> None:
    assert STEPS[next_step(step, count)].seconds == seconds


async def test_every_node_is_told() -> None:
    cluster = Workbench.fake()

    async def said() -> dict[str, str | None]:
        found = await cluster.list(NODE)
        return {n["metadata"]["name"]: (n["metadata"].get("annotations") or {}).get(ANNOTATION) for n in found}

    async with cluster.running(CONTROLLER):
        await cluster.create(NODE, {"metadata": {"name": "a"}})
        await cluster.create(NODE, {"metadata": {"name": "b", "annotations": {ANNOTATION: "many"}}})
        await cluster.clock.advance(11)
        assert await said() == {"a": "0", "b": "0"}
        for number in range(99):
            await cluster.create(NODE, {"metadata": {"name": f"n{number}"}})
        await cluster.clock.advance(11)
        assert set((await said()).values()) == {"15"}
        await cluster.patch(NODE, "a", "", {"metadata": {"annotations": {ANNOTATION: "7"}}})
        await cluster.clock.advance(11)
        assert (await said())["a"] == "15"
