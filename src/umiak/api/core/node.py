"""Node: a machine that runs pods."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, UNKNOWN, column, condition, or_else, reads
from umiak.api.common.resources import round_up
from umiak.api.common.strategy import keep_status, only_status
from umiak.api.registry import builtin
from umiak.objects.types import Object

ROLE_PREFIX = "node-role.kubernetes.io/"
ROLE_LABEL = "kubernetes.io/role"


def default(obj: Object) -> None:
    """What a node can give is its capacity, unless it says otherwise."""
    obj.setdefault("spec", {})
    status = obj.setdefault("status", {})
    if status.get("allocatable") is None and status.get("capacity") is not None:
        status["allocatable"] = dict(status["capacity"])
    for name in ("capacity", "allocatable"):
        if status.get(name):
            round_up(status[name])


def status_text(obj: Object, now: float) -> Any:
    ready = condition(obj, "Ready")
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return f"{text},SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else text


def roles(obj: Object, now: float) -> Any:
    found = set()
    for key, value in (obj["metadata"].get("labels") or {}).items():
        if key.startswith(ROLE_PREFIX):
            found.add(key[len(ROLE_PREFIX) :])
        elif key == ROLE_LABEL:
            found.add(value)
    return ",".join(sorted(found - {""})) or NONE


def address(kind: str) -> Any:
    """A cell with the first address of a type."""

    def cell(obj: Object, now: float) -> Any:
        every = (obj.get("status") or {}).get("addresses") or ()
        return next((a.get("address") for a in every if a.get("type") == kind), NONE)

    return cell


def kernel(obj: Object, now: float) -> Any:
    info = (obj.get("status") or {}).get("nodeInfo") or {}
    version = info.get("kernelVersion") or UNKNOWN
    return f"{version} ({info['architecture']})" if info.get("architecture") else version


def unschedulable(obj: Object) -> str:
    return "true" if (obj.get("spec") or {}).get("unschedulable") else "false"


_INFO = ("status", "nodeInfo")

KIND = builtin(
    "v1",
    "Node",
    default=default,
    prepare_update=keep_status,
    prepare_status=only_status,
    columns=(
        NAME,
        column("Status", status_text, "The status of the node"),
        column("Roles", roles, "The roles of the node"),
        AGE,
        column("Version", reads(*_INFO, "kubeletVersion"), "NodeSystemInfo.kubeletVersion"),
        column("Internal-IP", address("InternalIP"), "NodeStatus.addresses", wide=True),
        column("External-IP", address("ExternalIP"), "NodeStatus.addresses", wide=True),
        column("OS-Image", or_else(*_INFO, "osImage", otherwise=UNKNOWN), "NodeSystemInfo.osImage", wide=True),
        column("Kernel-Version", kernel, "NodeSystemInfo.kernelVersion", wide=True),
        column(
            "Container-Runtime",
            or_else(*_INFO, "containerRuntimeVersion", otherwise=UNKNOWN),
            "NodeSystemInfo.containerRuntimeVersion",
            wide=True,
        ),
    ),
    selectable={"spec.unschedulable": unschedulable},
)
