"""Pods without what those who only count them never look at: decoded in half the time, a fifth of the size."""

from typing import Any, TypedDict

import msgspec

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
