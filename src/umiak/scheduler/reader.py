"""Reads pods from their bytes. What pods of one workload have in common is read once and shared by their views.

Whatever tells a pod apart is compared as bytes: namespace, labels, owners, and the spec but for the node and for the
name of the token's volume, in which alike pods differ. Pods that are being deleted, resized or that have claims made
for them alone are read as a whole.
"""

import re
from copy import copy

import msgspec
from msgspec import UNSET, Raw, UnsetType

from umiak.kit.memo import Memo
from umiak.scheduler.pods import PodView, view

ROOM = 8 * 1024 * 1024
"""Bytes for what is shared."""
PER_BYTE = 10
"""A view takes about so many times the bytes that it was read from."""
TOKEN = re.compile(rb'"name":"kube-api-access-[a-z0-9]{5}",(?="projected":\{|"readOnly":true)')
"""How admission names the volume of a pod's token, where a volume or a mount names it; labels cannot look like that."""


class _Meta(msgspec.Struct):
    name: str
    namespace: str = ""
    uid: str = ""
    resourceVersion: str = ""
    creationTimestamp: str | None = None
    deletionTimestamp: str | None = None
    labels: Raw = Raw()
    ownerReferences: Raw = Raw()


class _Container(msgspec.Struct):
    resources: Raw | UnsetType = UNSET
    allocatedResources: Raw | UnsetType = UNSET


class _Status(msgspec.Struct):
    phase: str = ""
    nominatedNodeName: str | None = None
    startTime: str | None = None
    conditions: Raw = Raw()
    initContainerStatuses: list[_Container] | None = None
    containerStatuses: list[_Container] | None = None
    resources: Raw | UnsetType = UNSET
    allocatedResources: Raw | UnsetType = UNSET
    resourceClaimStatuses: Raw | UnsetType = UNSET
    extendedResourceClaimStatus: Raw | UnsetType = UNSET

    @property
    def says_of_amounts(self) -> bool:
        """Whether it tells anything of what the pod takes up, which else its spec does."""
        if self.resources is not UNSET or self.allocatedResources is not UNSET:
            return True
        if self.resourceClaimStatuses is not UNSET or self.extendedResourceClaimStatus is not UNSET:
            return True
        for container in (*(self.initContainerStatuses or ()), *(self.containerStatuses or ())):
            if container.resources is not UNSET or container.allocatedResources is not UNSET:
                return True
        return b'"PodResizePending"' in bytes(self.conditions)


class _Pod(msgspec.Struct):
    metadata: _Meta
    spec: Raw = Raw(b"{}")
    status: _Status = msgspec.field(default_factory=_Status)


class _Spec(msgspec.Struct):
    nodeName: str = ""


_decode = msgspec.json.Decoder().decode
_decode_pod = msgspec.json.Decoder(_Pod).decode
_decode_spec = msgspec.json.Decoder(_Spec).decode


class PodReader:
    """`read` gives what `pods.view` gives of the decoded pod; what views share is not to be changed."""

    def __init__(self, room: int = ROOM) -> None:
        self._known: Memo[PodView] = Memo(room)

    def read(self, body: bytes) -> PodView:
        try:
            found = _decode_pod(body)
        except msgspec.ValidationError:  # a null where the reference leaves a field out
            return view(_decode(body))
        about, status = found.metadata, found.status
        if about.deletionTimestamp or status.says_of_amounts:
            return view(_decode(body))
        raw = bytes(found.spec)
        node = _decode_spec(raw).nodeName if b'"nodeName"' in raw else ""
        before, _, after = TOKEN.sub(b"", raw).partition(f'"nodeName":"{node}"'.encode())
        key = (about.namespace, bytes(about.labels), bytes(about.ownerReferences), bool(node), before, after)
        known = self._known.get(key)
        if known is None:
            known = view(_decode(body))
            if known.ephemeral_claims:
                return known
            self._remember(key, known, len(raw))
        made = copy(known)
        made.uid, made.name, made.version, made.node = about.uid, about.name, about.resourceVersion, node
        made.created, made.started = about.creationTimestamp or "", status.startTime or ""
        made.nominated, made.finished = status.nominatedNodeName or "", status.phase in ("Succeeded", "Failed")
        return made

    def _remember(self, key: tuple[object, ...], known: PodView, size: int) -> None:
        if known.node:
            known.settle()
        else:
            _ = known.shape
        self._known.keep(key, known, PER_BYTE * size)
