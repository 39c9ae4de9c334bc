"""What to do for a pod: a pure function of its specification, of what the runtime knows, and of its probes.

The order of questions is kubelet's (kuberuntime's computePodActions): first the sandbox, then init containers, then
the ordinary ones.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec
from msgspec.structs import replace

from umiak.node import pods
from umiak.node.names import container_hash, hash_of
from umiak.node.runtime import ContainerStatus, State
from umiak.node.snapshot import OTHER_NETWORK, Snapshot
from umiak.objects import meta
from umiak.objects.types import Object


class Why(StrEnum):
    """What a container is killed for; decides how long it may take to end."""

    UNKNOWN = "Unknown"
    STARTUP = "StartupProbe"
    LIVENESS = "LivenessProbe"
    POST_START = "FailedPostStartHook"


class Kill(msgspec.Struct, frozen=True):
    id: str
    name: str
    message: str
    why: Why = Why.UNKNOWN


class Results(msgspec.Struct, frozen=True):
    """The newest outcome of each probe that has one, by container id; and whose resize needs a restart."""

    startup: Mapping[str, bool] = msgspec.field(default_factory=dict)
    liveness: Mapping[str, bool] = msgspec.field(default_factory=dict)
    readiness: Mapping[str, bool] = msgspec.field(default_factory=dict)
    resized: frozenset[str] = frozenset()


class Actions(msgspec.Struct):
    """What to do, in this order. Containers are positions in their lists of the specification."""

    kill_pod: bool = False
    """Stop everything and the sandbox; with `create_sandbox`, to begin anew."""
    create_sandbox: bool = False
    sandbox_id: str = ""
    """The sandbox to start containers in, or the one that is replaced."""
    attempt: int = 0
    kill: list[Kill] = msgspec.field(default_factory=list)
    ephemeral: list[int] = msgspec.field(default_factory=list)
    init: list[int] = msgspec.field(default_factory=list)
    containers: list[int] = msgspec.field(default_factory=list)
    reset: bool = False
    """End and remove all containers, to begin anew in the same sandbox."""

    @property
    def starts(self) -> bool:
        return bool(self.ephemeral or self.init or self.containers)


def decide(pod: Object, seen: Snapshot, probes: Results) -> Actions:
    """What the pod needs now."""
    problem = seen.sandbox_problem(pods.uses_host_network(pod))
    newest = seen.sandboxes[0] if seen.sandboxes else None
    attempt = newest.attempt + (1 if problem else 0) if newest else 0
    sandbox_id = newest.id if newest and problem != OTHER_NETWORK else ""
    if problem:
        return _new_sandbox(pod, seen, Actions(True, True, sandbox_id, attempt))
    return _in_sandbox(pod, seen, probes, Actions(sandbox_id=sandbox_id, attempt=attempt))


def _new_sandbox(pod: Object, seen: Snapshot, plan: Actions) -> Actions:
    """Begins at the start, unless what has run already is all that was to run."""
    if pods.restart_policy(pod) == "Never" and plan.attempt != 0 and seen.containers:
        return replace(plan, create_sandbox=False)
    to_start = [i for i, c in enumerate(pods.containers(pod)) if not _is_done(pod, c, seen)]
    if not to_start and any(seen.latest(c["name"]) for c in pods.containers(pod)):
        return replace(plan, create_sandbox=False)
    if pods.init_containers(pod):
        return replace(plan, init=[0])
    return replace(plan, containers=to_start)


def _is_done(pod: Object, container: Object, seen: Snapshot) -> bool:
    """Whether a container that runs until it succeeds has done so."""
    policy = container.get("restartPolicy") or pods.restart_policy(pod)
    last = seen.latest(container["name"])
    return policy == "OnFailure" and last is not None and last.state == State.EXITED and last.exit_code == 0


def wants_reset(pod: Object, seen: Snapshot) -> bool:
    """Whether a container ended in a way upon which all are to be restarted (KEP-5532)."""
    if meta.is_being_deleted(pod):
        return False
    for container in (*pods.init_containers(pod), *pods.containers(pod)):
        last = seen.latest(container["name"])
        if last is not None and last.state == State.EXITED:
            rule = pods.matching_rule(container, last.exit_code) or {}
            if rule.get("action") == "RestartAllContainers":
                return True
    return False


def _in_sandbox(pod: Object, seen: Snapshot, probes: Results, plan: Actions) -> Actions:
    if wants_reset(pod, seen):
        return replace(plan, reset=True)
    plan.ephemeral = [i for i, c in enumerate(pods.ephemeral_containers(pod)) if seen.latest(c["name"]) is None]
    initialized = _init_containers(pod, seen, probes, plan)
    if plan.kill_pod or not initialized:
        return plan
    kept = 0
    for index, container in enumerate(pods.containers(pod)):
        kept += _ordinary(pod, index, container, seen, probes, plan)
    if kept == 0 and not plan.containers:
        plan.kill_pod = True
        plan.init = []  # sidecars are not to keep a finished pod alive
    return plan


def _ordinary(pod: Object, index: int, container: Object, seen: Snapshot, probes: Results, plan: Actions) -> bool:
    """Plans for one ordinary container; whether it runs and stays."""
    status = seen.latest(container["name"])
    if status is None or status.state != State.RUNNING:
        if should_restart(pod, container, seen):
            plan.containers.append(index)
            if status is not None and status.state == State.UNKNOWN:
                message = f'Container is in "{status.state}" state, try killing it before restart'
                plan.kill.append(Kill(status.id, container["name"], message))
        return False
    restart = pods.restarts_on_failure(pod, container)
    message, why = _fault(container, status, probes)
    if not message and status.id in probes.resized:
        plan.containers.append(index)
        plan.kill.append(Kill(status.id, container["name"], f"Container {container['name']} resize requires restart"))
        return False
    if not message:
        return True
    if message.endswith("definition changed"):
        restart = True
    if restart:
        message += ", will be restarted"
        plan.containers.append(index)
    plan.kill.append(Kill(status.id, container["name"], message, why))
    return False


def _fault(container: Object, status: ContainerStatus, probes: Results) -> tuple[str, Why]:
    """Why a running container must go; no message when it may stay."""
    name = container["name"]
    if changed(container, status):
        return f"Container {name} definition changed", Why.UNKNOWN
    if probes.liveness.get(status.id) is False:
        return f"Container {name} failed liveness probe", Why.LIVENESS
    if probes.startup.get(status.id) is False:
        return f"Container {name} failed startup probe", Why.STARTUP
    return "", Why.UNKNOWN


def changed(container: Object, status: ContainerStatus) -> bool:
    """Whether the container runs another image than its specification now says."""
    known = hash_of(status.annotations)
    return bool(known) and known != container_hash(container)


def should_restart(pod: Object, container: Object, seen: Snapshot) -> bool:
    """Whether a container that does not run is to be started."""
    if meta.is_being_deleted(pod):
        return False
    status = seen.latest(container["name"])
    if status is None:
        return True
    if status.state == State.RUNNING:
        return False
    if status.state in (State.UNKNOWN, State.CREATED):
        return True
    return pods.restarts_after(pod, container, status.exit_code)


def _init_containers(pod: Object, seen: Snapshot, probes: Results, plan: Actions) -> bool:
    """Plans for init containers, last to first; whether initialization is over.

    The last one that has a container tells how far the pod has come: those before it may have been removed.
    """
    wanted = pods.init_containers(pod)
    if not wanted:
        return True
    started = any(_has_started(seen.latest_active(c["name"])) for c in pods.containers(pod))
    done, earlier = started, started
    for index in range(len(wanted) - 1, -1, -1):
        container = wanted[index]
        status = seen.latest_active(container["name"])
        if status is None:
            if earlier and pods.is_sidecar(container):
                plan.init.append(index)
            continue
        if earlier and not pods.is_sidecar(container):
            continue
        finished = _init_container(pod, index, container, status, earlier, probes, plan)
        if plan.kill_pod:
            return False
        done = done or (finished and index == len(wanted) - 1)
        earlier = True
    if not earlier:
        plan.init.append(0)
    plan.init = sorted(set(plan.init))
    return done


def _has_started(status: ContainerStatus | None) -> bool:
    return status is not None and status.state in (State.RUNNING, State.EXITED)


def _init_container(
    pod: Object, index: int, container: Object, status: ContainerStatus, earlier: bool, probes: Results, plan: Actions
) -> bool:
    """Plans for the init container the pod has come to; whether it is over (or, a sidecar, up)."""
    if status.state == State.CREATED:
        plan.init.append(index)
        return False
    if status.state == State.RUNNING:
        return pods.is_sidecar(container) and _sidecar(pod, index, container, status, earlier, probes, plan)
    if status.state == State.EXITED:
        return _exited_init(pod, index, container, status, plan)
    message = f'Init container is in "{status.state}" state, try killing it before restart'
    if not pods.is_sidecar(container) and not pods.restarts_on_failure(pod, container):
        _give_up(plan)
        return False
    plan.kill.append(Kill(status.id, container["name"], message))
    plan.init.append(index)
    return False


def _give_up(plan: Actions) -> None:
    plan.kill_pod, plan.init = True, []


def _exited_init(pod: Object, index: int, container: Object, status: ContainerStatus, plan: Actions) -> bool:
    if pods.is_sidecar(container):
        plan.init.append(index)
        return False
    if status.exit_code != 0:
        if meta.is_being_deleted(pod) or not pods.restarts_after(pod, container, status.exit_code):
            _give_up(plan)
        else:
            plan.init.append(index)
        return False
    if index + 1 < len(pods.init_containers(pod)):
        plan.init.append(index + 1)
    return True


def _sidecar(
    pod: Object, index: int, container: Object, status: ContainerStatus, earlier: bool, probes: Results, plan: Actions
) -> bool:
    """A running sidecar: whether it has started, so that the next may start."""
    name = container["name"]
    if container.get("startupProbe") and probes.startup.get(status.id) is not True:
        if probes.startup.get(status.id) is False:
            message = f"Init container {name} failed startup probe"
            plan.kill.append(Kill(status.id, name, message, Why.STARTUP))
            plan.init.append(index)
        return False
    if not earlier and index + 1 < len(pods.init_containers(pod)):
        plan.init.append(index + 1)
    if changed(container, status):
        plan.kill.append(Kill(status.id, name, f"Init container {name} definition changed"))
        plan.init.append(index)
    elif status.id in probes.resized:
        plan.kill.append(Kill(status.id, name, f"Container {name} resize requires restart"))
        plan.init.append(index)
    elif container.get("livenessProbe") and probes.liveness.get(status.id) is False:
        plan.kill.append(Kill(status.id, name, f"Init container {name} failed liveness probe", Why.LIVENESS))
        plan.init.append(index)
    return True
