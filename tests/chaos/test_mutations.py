"""The simulator finds mistakes: each of these, made on purpose in a controller, the scheduler or the cache, is caught.

A mistake is looked for in schedules of the workload that it concerns, with the faults that bring it out; the first that
catches it ends the search. What is caught must be caught by the invariant it breaks.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from umiak.api.core import pod as pods
from umiak.controllers import (
    _claims,
    _jobs,
    _rollout,
    _stateful,
    daemonset,
    garbage_collector,
    job,
    poddisruptionbudget,
)
from umiak.objects import meta
from umiak.reconcile import cache
from umiak.reconcile.cache import Tables
from umiak.reconcile.context import ShowingClient
from umiak.reconcile.doubts import Doubts
from umiak.reconcile.queue import Queue
from umiak.scheduler.cluster import ClusterState
from umiak.testing.chaos.plan import Plan, draw
from umiak.testing.chaos.schedule import run

pytestmark = [pytest.mark.slow]
TRIES = 60
RATES = ("refusals", "losses", "slowness", "deaths", "breaks")
COUNTS = ("crashes", "stalls", "compactions", "thefts", "node_faults", "pod_faults", "edits", "evictions")
CALM: dict[str, Any] = {
    **dict.fromkeys(RATES, 0.0),
    **dict.fromkeys(COUNTS, 0),
    "rivals": False,
    "skew": False,
}
Patch = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutation:
    name: str
    make: Patch
    caught_by: str
    """How the invariant calls itself."""
    workloads: tuple[str, ...]
    faults: dict[str, Any] = field(default_factory=dict)
    nodes: int = 3
    first: int = 0
    """The seed to begin with: one that is known to bring the mistake out saves time."""


def forget_own_writes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Tables, "wrote", lambda *_: None)


def forget_last_finalizers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cache, "was_its_last", lambda answer: False)


def trust_errors(patch: pytest.MonkeyPatch) -> None:
    async def nothing(self: Doubts, kinds: Iterable[Any]) -> None: ...

    patch.setattr(Doubts, "resolve", nothing)


def ignore_conflicts(patch: pytest.MonkeyPatch) -> None:
    update = ShowingClient.update

    async def forced(self: ShowingClient, kind: Any, obj: Any, *, subresource: str = "") -> Any:
        about = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion"}
        return await update(self, kind, {**obj, "metadata": about}, subresource=subresource)

    patch.setattr(ShowingClient, "update", forced)


def take_what_is_anothers(patch: pytest.MonkeyPatch) -> None:
    def all_matching(cache: Any, kind: Any, owner: Any, selector: Any, *_: Any) -> Any:
        return cache.list(kind, meta.namespace(owner), selector)

    def sort_out(owner: Any, selector: Any, objects: Any, suits: Any = None) -> Any:
        return _claims.Claims(mine=list(objects))

    patch.setattr(daemonset, "candidates", all_matching)
    patch.setattr(_claims, "sort_out", sort_out)


def compare_names_only(patch: pytest.MonkeyPatch) -> None:
    async def state(self: Any, node: Any, owner: Any) -> str:
        return "dangling" if await self._get(self._kind(owner), owner.name, node.namespace) is None else "solid"

    patch.setattr(garbage_collector.Collector, "_state", state)


def surge_by_one_more(patch: pytest.MonkeyPatch) -> None:
    real = _rollout.new_size
    patch.setattr(_rollout, "new_size", lambda d, sets, new: min(_rollout.size(d), real(d, sets, new) + 1))


def give_up_too_many(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_rollout, "shrink_old", lambda deployment, old, available: {meta.uid(rs): 0 for rs in old})


def make_out_of_order(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_stateful, "is_ordered", lambda sts: False)


def replace_what_may_run(patch: pytest.MonkeyPatch) -> None:
    async def forced(ctx: Any, kind: Any, obj: Any, propagation: str = "") -> None:
        await ctx.client.delete(kind, meta.name(obj), meta.namespace(obj), grace_seconds=0)

    from umiak.controllers import statefulset

    patch.setattr(statefulset, "delete_exactly", forced)


def count_without_noting(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(job.Ended, "_write", lambda self, field, uid: None)


def count_twice(patch: pytest.MonkeyPatch) -> None:
    def released(status: Any, tracked: set[str]) -> None:
        for field_ in ("succeeded", "failed"):
            noted = status["uncountedTerminatedPods"].get(field_) or ()
            status[field_] = (status.get(field_) or 0) + len(noted)

    patch.setattr(job, "count_released", released)


def count_by_old_news(patch: pytest.MonkeyPatch) -> None:
    async def nothing(ctx: Any, obj: Any) -> None: ...

    patch.setattr(job, "_see_counted", nothing)


def run_one_too_many(patch: pytest.MonkeyPatch) -> None:
    real = _jobs.View.wanted_active
    patch.setattr(_jobs.View, "wanted_active", lambda self: real(self) + 1)


def suspend_what_has_ended(patch: pytest.MonkeyPatch) -> None:
    async def at_any_version(ctx: Any, pod: Any, *, unchanged: bool = False) -> None:
        await ctx.client.patch(pods.KIND, meta.name(pod), "default", {"metadata": job.UNTRACK}, type="strategic")

    patch.setattr(job, "untrack", at_any_version)


def count_all_as_healthy(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(poddisruptionbudget, "count_healthy", lambda mine, evicted, now: len(mine))


def fit_everywhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(ClusterState, "assume", lambda self, pod, node: None)


def drop_failed_keys(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Queue, "add_failed", lambda self, key: 0.0)


LAG = {"stalls": 4, "breaks": 0.1}
RIVALS = {"rivals": True, "thefts": 6, "edits": 10}
LEADERS_LAG = {"stalls": 8, "breaks": 0.2, **RIVALS}
SLOW = {"stalls": 8, "breaks": 0.1, "slowness": 0.5, "edits": 20}
PAIR = ("daemonset", "deployment")
ENDS = {**LAG, "edits": 10, "pod_faults": 4}
EVICTED = {"evictions": 5, "edits": 4}
REFUSED = {"refusals": 0.2, "edits": 6}
MUTATIONS = [
    Mutation("own writes are not shown", forget_own_writes, "replicaset", ("deployment",), LAG),
    Mutation("own writes are not shown: daemons", forget_own_writes, "daemonset", ("daemonset",), LAG),
    Mutation("own writes are not shown: jobs", forget_own_writes, "job", ("job",), LAG),
    Mutation("gone objects are shown", forget_last_finalizers, "job", ("job",), ENDS, first=5),
    Mutation("errors are believed", trust_errors, "replicaset", ("deployment",), {**LAG, "losses": 0.2, "edits": 6}),
    Mutation("conflicts are ignored", ignore_conflicts, "job", ("job",), {**LAG, **RIVALS, "pod_faults": 4}, first=3),
    Mutation("others' pods are taken", take_what_is_anothers, "ownership", ("daemonset",), {"edits": 10}),
    Mutation("uids are not compared", compare_names_only, "ownership", ("deployment",), {"edits": 10}, first=4),
    Mutation("one pod too many in a rollout", surge_by_one_more, "deployment", ("deployment",), {"edits": 6}, first=5),
    Mutation("all old pods at once", give_up_too_many, "deployment", ("deployment",), {"edits": 6}, first=5),
    Mutation("pods out of order", make_out_of_order, "statefulset", ("statefulset",), {"edits": 4}),
    Mutation("pods removed by force", replace_what_may_run, "statefulset", ("statefulset",), {"edits": 8}),
    Mutation("pods let go uncounted", count_without_noting, "job", ("job",)),
    Mutation("pods counted twice", count_twice, "job", ("job",)),
    Mutation("old news are counted", count_by_old_news, "job", ("job",), {**LEADERS_LAG, "pod_faults": 2}),
    Mutation("one active pod too many", run_one_too_many, "job", ("job",)),
    Mutation("successes suspended", suspend_what_has_ended, "job", ("job",), SLOW, first=20),
    Mutation("all count as healthy", count_all_as_healthy, "disruption", ("deployment",), EVICTED, first=6),
    Mutation("bindings are not assumed", fit_everywhere, "scheduling", PAIR, {**LAG, "edits": 10}, 2, first=15),
    Mutation("failures are final", drop_failed_keys, "not settled", ("deployment",), REFUSED, first=3),
]


def planned(seed: int, mutation: Mutation, nodes: int = 3) -> Plan:
    wishes = {**CALM, **mutation.faults, "workloads": mutation.workloads, "nodes": nodes}
    return msgspec.structs.replace(draw(seed), **wishes)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_is_caught(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    mutation.make(monkeypatch)
    for seed in range(mutation.first, mutation.first + TRIES):
        wrong = run(seed, plan=planned(seed, mutation, mutation.nodes)).wrong
        if wrong:
            assert mutation.caught_by in wrong[0], f"seed {seed}: {wrong}"
            return
    pytest.fail(f"not caught in {TRIES} schedules")


def test_nothing_is_caught_where_nothing_is_wrong() -> None:
    """The same schedules without mistakes."""
    for mutation in MUTATIONS:
        for seed in range(2):
            assert run(seed, plan=planned(seed, mutation)).wrong == [], (mutation.name, seed)
