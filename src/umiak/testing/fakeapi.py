"""A small stand-in for client and API server, in memory: objects, versions, finalizers, watches.

Its lies: no validation, defaulting, admission or authorization; an object whose fields stop matching a watch is not
told of as deleted; strategic patches know only the merge keys below. Where these matter use `umiak.testing.workbench`,
which has the real server.
`tests/client/contract.py` holds what both have in common.
"""

import asyncio
import copy
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from umiak.api.core.event import KIND as EVENT
from umiak.api.events._versions import to_core
from umiak.api.events.event import KIND as NEWER_EVENT
from umiak.api.kind import Kind
from umiak.client.contract import (
    NO_CONDITIONS,
    ObjectList,
    Preconditions,
    RawEvent,
    RawList,
    Response,
    Unreachable,
    WatchEvent,
)
from umiak.kit.clock import Clock
from umiak.objects import errors, meta
from umiak.objects.errors import StatusError
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.testing.clock import VirtualClock

MERGE_KEYS = {"ownerReferences": "uid", "conditions": "type", "containers": "name", "taints": "key", "env": "name"}
SETS = ("finalizers",)
GENERATED = "bcdfghjklmnpqrstvwxz2456789"


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for field, value in patch.items():
        if value is None:
            result.pop(field, None)
        else:
            result[field] = merge(result.get(field), value)
    return result


def strategic(target: Any, patch: Any, field: str = "") -> Any:
    """A strategic merge for the few lists of MERGE_KEYS."""
    if isinstance(patch, list) and field in MERGE_KEYS:
        return _merge_list(target or [], patch, MERGE_KEYS[field])
    if isinstance(patch, list) and field in SETS:
        return [*(target or []), *(item for item in patch if item not in (target or []))]
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            which = name.partition("/")[2]
            result[which] = [item for item in result.get(which) or [] if item not in value]
        elif name.startswith(("$setElementOrder/", "$retainKeys")):
            continue
        elif value is None:
            result.pop(name, None)
        else:
            result[name] = strategic(result.get(name), value, name)
    return result


def _merge_list(target: list[Object], patch: list[Object], key: str) -> list[Object]:
    items = {item[key]: item for item in target}
    for change in patch:
        if change.get("$patch") == "delete":
            items.pop(change[key], None)
        else:
            items[change[key]] = strategic(items.get(change[key]), change)
    return list(items.values())


class FakeApi:
    """Satisfies `umiak.client.contract.Client`. Hand out copies, keep copies."""

    def __init__(self, clock: Clock | None = None, kinds: Iterable[Kind] = ()) -> None:
        """`kinds` are what discovery tells of."""
        self.clock = clock or VirtualClock()
        self.kinds = list(kinds)
        self.version = 1
        self.refuse: Callable[[str, Kind, Object], Exception | None] = lambda verb, kind, obj: None
        """May return an error for a write: (create, update, patch or delete; the kind; the object)."""
        self._random = random.Random(1)
        self._objects: dict[tuple[str, str], dict[Key, Object]] = {}
        self._watchers: list[tuple[Kind, str, asyncio.Queue[WatchEvent | Exception]]] = []
        self._history: list[tuple[tuple[str, str], WatchEvent]] = []

    # reading

    async def get(self, kind: Kind, name: str, namespace: str = "") -> Object:
        return copy.deepcopy(self._find(kind, Key(namespace, name)))

    async def list(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> ObjectList:
        found = sorted(self._table(kind).items())
        items = [
            copy.deepcopy(o)
            for key, o in found
            if namespace in ("", key.namespace) and _has_labels(o, labels) and _has_fields(o, fields)
        ]
        return ObjectList(items, str(self.version))

    async def raw_list(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        metadata_only: bool = False,
    ) -> RawList:
        listed = await self.list(kind, namespace, labels=labels, fields=fields)
        return RawList([_encode(o, metadata_only) for o in listed.items], listed.resource_version)

    async def watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout: int = 0,
    ) -> AsyncIterator[WatchEvent]:
        feed: asyncio.Queue[WatchEvent | Exception] = asyncio.Queue()
        for identity, event in self._history:
            if identity == _identity(kind) and int(meta.resource_version(event.object)) > int(resource_version or 0):
                feed.put_nowait(event)
        watcher = (kind, namespace, feed)
        self._watchers.append(watcher)
        try:
            while True:
                item = await feed.get()
                if isinstance(item, Exception):
                    raise item
                chosen = _has_labels(item.object, labels) and _has_fields(item.object, fields)
                if chosen and namespace in ("", meta.namespace(item.object)):
                    yield WatchEvent(item.type, copy.deepcopy(item.object))
        finally:
            self._watchers.remove(watcher)

    async def raw_watch(
        self,
        kind: Kind,
        namespace: str = "",
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        timeout: int = 0,
        metadata_only: bool = False,
    ) -> AsyncIterator[RawEvent]:
        async for event in self.watch(kind, namespace, labels=labels, fields=fields, resource_version=resource_version):
            yield RawEvent(event.type, _encode(event.object, metadata_only))

    # writing

    async def create(
        self, kind: Kind, obj: Object, *, namespace: str = "", subresource: str = "", name: str = ""
    ) -> Object:
        if kind is NEWER_EVENT:  # the same objects in other words
            kind, obj = EVENT, to_core(obj)
        self._may("create", kind, obj)
        if subresource:
            return self._create_subresource(kind, obj, Key(namespace, name), subresource)
        new = copy.deepcopy(obj)
        about = new.setdefault("metadata", {})
        if kind.namespaced:
            about["namespace"] = namespace or about.get("namespace") or "default"
        if not about.get("name"):
            about["name"] = about.get("generateName", "") + "".join(self._random.choices(GENERATED, k=5))
        key = meta.key(new)
        if key in self._table(kind):
            raise errors.already_exists(kind.group, kind.plural, key.name)
        new.update(apiVersion=kind.api_version, kind=kind.kind)
        about["uid"] = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        about["creationTimestamp"] = meta.format_time(self.clock.now())
        if kind.counts_generation:
            about["generation"] = 1
        if kind.plural == "namespaces":
            new["spec"], new["status"] = {"finalizers": ["kubernetes"]}, {"phase": "Active"}
        return self._store(kind, "ADDED", new)

    async def update(self, kind: Kind, obj: Object, *, subresource: str = "") -> Object:
        """Of namespaces the subresource `finalize` ends them when no finalizer is left."""
        self._may("update", kind, obj)
        key = meta.key(obj)
        old = self._find(kind, key)
        wanted = meta.resource_version(obj)
        if wanted and wanted != meta.resource_version(old):
            raise errors.conflict(kind.group, kind.plural, key.name, errors.MODIFIED)
        return self._change(kind, old, copy.deepcopy(obj), subresource)

    async def patch(
        self,
        kind: Kind,
        name: str,
        namespace: str,
        patch: Any,
        *,
        type: str = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Object:
        kind = EVENT if kind is NEWER_EVENT else kind
        old = self._find(kind, Key(namespace, name))
        self._may("patch", kind, old)
        for field in ("resourceVersion", "uid"):
            wanted = (patch.get("metadata") or {}).get(field)
            if wanted and wanted != meta.metadata(old).get(field):
                raise errors.conflict(kind.group, kind.plural, name, errors.MODIFIED)
        apply = merge if type == "merge" else strategic
        return self._change(kind, old, apply(copy.deepcopy(old), copy.deepcopy(patch)), subresource)

    async def delete(
        self,
        kind: Kind,
        name: str,
        namespace: str = "",
        *,
        only: Preconditions = NO_CONDITIONS,
        grace_seconds: int | None = None,
        propagation: str = "",
    ) -> Object:
        old = self._find(kind, Key(namespace, name))
        self._may("delete", kind, old)
        if only.uid not in ("", meta.uid(old)) or only.resource_version not in ("", meta.resource_version(old)):
            raise errors.conflict(kind.group, kind.plural, name, "Precondition failed")
        new = copy.deepcopy(old)
        about = new["metadata"]
        extra = {"Orphan": "orphan", "Foreground": "foregroundDeletion"}.get(propagation)
        if extra:
            about["finalizers"] = [*(about.get("finalizers") or []), extra]
        grace = self._grace(kind, old, grace_seconds)
        if kind.plural == "namespaces":
            new["status"] = {**(new.get("status") or {}), "phase": "Terminating"}
        if about.get("finalizers") or grace or _spec_finalizers(new):
            end = self.clock.now() + timedelta(seconds=grace)
            about.setdefault("deletionTimestamp", meta.format_time(end))
            about["deletionGracePeriodSeconds"] = grace
            return self._store(kind, "MODIFIED", new)
        self._store(kind, "DELETED", new)
        details = {"name": name, "kind": kind.plural, "uid": meta.uid(old)}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    async def delete_collection(self, kind: Kind, namespace: str = "", *, labels: str = "", fields: str = "") -> Object:
        listed = await self.list(kind, namespace, labels=labels, fields=fields)
        for obj in listed.items:
            await self.delete(kind, meta.name(obj), meta.namespace(obj))
        return {"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": {}, "items": listed.items}

    async def raw(
        self, method: str, target: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        if method != "GET" or target not in ("/api", "/apis"):
            raise StatusError(404, "NotFound", "the server could not find the requested resource")
        return discovery(self.kinds, target)

    # for tests

    def break_watches(self, error: StatusError | Unreachable, *, forget: bool = True) -> None:
        """Every watch open now ends with `error`; history is forgotten unless told otherwise."""
        if forget:
            self._history.clear()
        for _, _, feed in self._watchers:
            feed.put_nowait(error)

    # inside

    def _table(self, kind: Kind) -> dict[Key, Object]:
        return self._objects.setdefault(_identity(kind), {})

    def _find(self, kind: Kind, key: Key) -> Object:
        found = self._table(kind).get(key if kind.namespaced else Key("", key.name))
        if found is None:
            raise errors.not_found(kind.group, kind.plural, key.name)
        return found

    def _may(self, verb: str, kind: Kind, obj: Object) -> None:
        error = self.refuse(verb, kind, obj)
        if error is not None:
            raise error

    def _grace(self, kind: Kind, obj: Object, asked: int | None) -> int:
        spec = obj.get("spec") or {}
        if kind.plural != "pods" or not spec.get("nodeName"):
            return 0
        return asked if asked is not None else spec.get("terminationGracePeriodSeconds", 30)

    def _create_subresource(self, kind: Kind, obj: Object, key: Key, subresource: str) -> Object:
        old = self._find(kind, key)
        if subresource == "binding":
            spec = {**(old.get("spec") or {}), "nodeName": obj["target"]["name"]}
            self._store(kind, "MODIFIED", {**copy.deepcopy(old), "spec": spec})
        elif subresource == "eviction":
            self._store(kind, "DELETED", copy.deepcopy(old))
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def _change(self, kind: Kind, old: Object, new: Object, subresource: str) -> Object:
        if subresource in ("status", "approval"):
            new = {**copy.deepcopy(old), "status": new.get("status", {})}
        elif kind.has_status:
            new["status"] = copy.deepcopy(old.get("status"))
            if new["status"] is None:
                del new["status"]
        about = new["metadata"]
        for kept in ("uid", "creationTimestamp", "deletionTimestamp", "resourceVersion", "generation"):
            if kept in old["metadata"]:
                about[kept] = old["metadata"][kept]
        if new == old:
            return copy.deepcopy(old)
        if kind.counts_generation and new.get("spec") != old.get("spec"):
            about["generation"] = about.get("generation", 1) + 1
        return self._store(kind, "DELETED" if _has_ended(old, new) else "MODIFIED", new)

    def _store(self, kind: Kind, type: str, obj: Object) -> Object:
        self.version += 1
        obj["metadata"]["resourceVersion"] = str(self.version)
        key = meta.key(obj)
        if type == "DELETED":
            del self._table(kind)[key]
        else:
            self._table(kind)[key] = obj
        event = WatchEvent(type, copy.deepcopy(obj))
        self._history.append((_identity(kind), event))
        for watched, _, feed in self._watchers:
            if _identity(watched) == _identity(kind):
                feed.put_nowait(event)
        return copy.deepcopy(obj)


def _has_ended(old: Object, new: Object) -> bool:
    """Whether a deletion waited for finalizers only, and the last of them is gone now."""
    about = meta.metadata(new)
    waits = about.get("finalizers") or about.get("deletionGracePeriodSeconds") or _spec_finalizers(new)
    waited = meta.metadata(old).get("finalizers") or _spec_finalizers(old)
    return meta.is_being_deleted(new) and not waits and bool(waited)


def _spec_finalizers(obj: Object) -> list[str]:
    return (obj.get("spec") or {}).get("finalizers") or []


def discovery(kinds: Iterable[Kind], target: str) -> Response:
    """What `/api` or `/apis` tells when there are only these kinds."""
    chosen = [k for k in kinds if bool(k.group) == (target == "/apis")]
    items: list[Object] = []
    for group in dict.fromkeys(k.group for k in chosen):
        members = [k for k in chosen if k.group == group]
        version = {"version": members[0].version, "resources": [_discovered(k) for k in members]}
        items.append({"metadata": {"name": group}, "versions": [version]})
    return Response(200, {}, msgspec.json.encode({"kind": "APIGroupDiscoveryList", "items": items}))


def _discovered(kind: Kind) -> Object:
    return {
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "verbs": list(kind.verbs),
    }


def _identity(kind: Kind) -> tuple[str, str]:
    return (kind.group, kind.plural)


def _has_labels(obj: Object, selector: str) -> bool:
    """Equality requirements only."""
    wanted = dict(part.replace("==", "=").split("=", 1) for part in selector.split(",") if part)
    return wanted.items() <= meta.labels(obj).items()


def _has_fields(obj: Object, selector: str) -> bool:
    for part in filter(None, selector.split(",")):
        path, equal, value = part.partition("!=" if "!=" in part else "=")
        found: Any = obj
        for name in path.split("."):
            found = (found or {}).get(name)
        if ((found or "") == value) is (equal == "!="):
            return False
    return True


def _encode(obj: Object, metadata_only: bool) -> bytes:
    if metadata_only:
        obj = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": obj["metadata"]}
    return msgspec.json.encode(obj)
