"""Devices, classes and claims told in few words."""

from typing import Any

import pytest

from umiak.scheduler.devices.allocator import AllocationFailed, NotOnNode, on_node
from umiak.scheduler.devices.results import allocation
from umiak.scheduler.devices.state import Taken
from umiak.scheduler.nodes import NodeView

DRIVER, POOL = "driver-a", "pool-1"


def a_device(name: str, **fields: Any) -> dict:
    return {"name": name, **fields}


def a_slice(*devices: dict, name: str = "slice-1", pool: str = POOL, driver: str = DRIVER, **spec: Any) -> dict:
    """Of a pool with this slice alone, on node-1, unless told otherwise."""
    about = {"name": pool, "generation": spec.pop("generation", 1), "resourceSliceCount": spec.pop("count", 1)}
    place = {} if spec.keys() & {"allNodes", "nodeSelector", "perDeviceNodeSelection"} else {"nodeName": "node-1"}
    return {
        "metadata": {"name": name},
        "spec": {"driver": driver, "pool": about, "devices": list(devices), **place, **spec},
    }


def a_class(name: str = "class-a", *expressions: str, **spec: Any) -> dict:
    return {"metadata": {"name": name}, "spec": {"selectors": [chosen_by(e) for e in expressions], **spec}}


def chosen_by(expression: str) -> dict:
    return {"cel": {"expression": expression}}


def a_request(name: str = "req-0", count: int = 1, **fields: Any) -> dict:
    return {"name": name, "exactly": {"deviceClassName": "class-a", "count": count, **fields}}


def alternatives(name: str, *specs: dict) -> dict:
    told = [{"name": f"sub-{i}", "deviceClassName": "class-a", **spec} for i, spec in enumerate(specs)]
    return {"name": name, "firstAvailable": told}


def a_claim(*requests: dict, name: str = "claim-0", **devices: Any) -> dict:
    about = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    return {"metadata": about, "spec": {"devices": {"requests": list(requests), **devices}}}


def got(claims: list[dict], slices: list[dict], classes: list[dict] | None = None, taken: Taken | None = None) -> Any:
    """(request, device) of each result by claim, None when the claims cannot be had, or the error's text."""
    found = allocated(claims, slices, classes, taken)
    if not isinstance(found, list):
        return found
    return [[(r["request"], r["device"]) for r in each["devices"]["results"]] for each in found]


def allocated(
    claims: list[dict], slices: list[dict], classes: list[dict] | None = None, taken: Taken | None = None
) -> Any:
    """The allocations on node-1."""
    node = NodeView("node-1", labels={"region": "r1"})
    known = {each["metadata"]["name"]: each for each in classes or [a_class()]}
    here = [each for each in slices if each["spec"].get("nodeName", "node-1") == "node-1"]
    try:
        found = on_node(node, here, slices, taken or Taken(), known.get).allocate(claims)
    except (AllocationFailed, NotOnNode) as error:
        return str(error)
    return found and [allocation(claim, one, node.name) for claim, one in zip(claims, found, strict=True)]


class Words:
    device, slice, device_class, request, claim = map(staticmethod, (a_device, a_slice, a_class, a_request, a_claim))
    alternatives, got, allocated, chosen_by = map(staticmethod, (alternatives, got, allocated, chosen_by))


@pytest.fixture
def say() -> type[Words]:
    return Words
