"""Pods without what those who only count them never look at: decoded in half the time, a fifth of the size."""

from functools import lru_cache
from typing import Any, TypedDict

import msgspec

from umiak.controllers._pods import condition, is_active, is_terminating
from umiak.objects import meta
from umiak.objects.types import Object


class _About(TypedDict, total=False):
    name: str
    generateName: str
    namespace: str
    uid: str
    resourceVersion: str
    creationTimestamp: Any
    deletionTimestamp: Any
    labels: dict[str, str]
    annotations: dict[str, str]
    ownerReferences: list[Object]
    finalizers: list[str]


class _Container(TypedDict, total=False):
    name: str
    restartPolicy: str


class _Spec(TypedDict, total=False):
    nodeName: str
    initContainers: list[_Container]


class _Condition(TypedDict, total=False):
    type: str
    status: str
    lastTransitionTime: Any


class _ContainerStatus(TypedDict, total=False):
    name: str
    restartCount: int


class _Status(TypedDict, total=False):
    phase: str
    conditions: list[_Condition]
    containerStatuses: list[_ContainerStatus]
    initContainerStatuses: list[_ContainerStatus]


class _Pod(TypedDict, total=False):
    metadata: _About
    spec: _Spec
    status: _Status


_decode = msgspec.json.Decoder(_Pod).decode


def slim_pod(body: bytes) -> Object:
    """Enough to tell whether a pod is active, ready, available, whose it is, and which to delete first."""
    return dict(_decode(body))


class Member(msgspec.Struct, frozen=True, gc=False):
    """What is counted of a pod, small enough to be remembered of each."""

    uid: str
    controller: str
    """The uid of its controller, or empty."""
    labels: dict[str, str]
    """Shared by all pods with the same ones."""
    is_active: bool
    is_terminating: bool
    ready_since: str | None
    """None while it is not ready; empty when nobody noted the time."""

    @property
    def is_ready(self) -> bool:
        return self.ready_since is not None


@lru_cache(1024)
def _shared(labels: tuple[tuple[str, str], ...]) -> dict[str, str]:
    return dict(labels)


def member_of(pod: Object) -> Member:
    found = condition(pod, "Ready")
    is_ready = found is not None and found.get("status") == "True"
    return Member(
        meta.uid(pod),
        (meta.controller_of(pod) or {}).get("uid") or "",
        _shared(tuple(meta.labels(pod).items())),
        is_active(pod),
        is_terminating(pod),
        (found or {}).get("lastTransitionTime") or "" if is_ready else None,
    )


def read_member(body: bytes) -> Member:
    return member_of(slim_pod(body))
