"""Programs that have a say in scheduling, asked over HTTP: to filter and rate nodes, to choose victims, to bind.

What is sent and what the answers mean is decided by pure functions; `Extender` alone speaks. Go reads field names
without regard to case, and so must we. Source: kube-scheduler's `extender.go` and `extender/v1/types.go`.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from umiak.api.configuration import seconds
from umiak.objects.types import Object
from umiak.scheduler.contract import MAX_SCORE, Reject
from umiak.scheduler.nodes import NodeView
from umiak.scheduler.pods import PodView
from umiak.scheduler.preemption import Victims

if TYPE_CHECKING:
    import ssl

    from umiak.kit.http.client import HttpClient

NAME = "Extender"
"""Stands for all extenders among the plugins that rejected a pod."""
TIMEOUT = 5.0
MOST_POINTS = 10
"""The best score that an extender gives."""
HEADERS = {"content-type": "application/json"}


class ExtenderFailed(Exception):
    """No usable answer; the text says why."""


class Asked(msgspec.Struct, frozen=True):
    """What a question is about: the pod, and how to come by whole objects of nodes and of other pods."""

    pod: Object
    node: Callable[[str], Object]
    placed: Callable[[PodView], Object]


class Filtered(msgspec.Struct, frozen=True):
    """The nodes that are left, by name, and what was said of the others."""

    names: Sequence[str]
    rejected: Mapping[str, Reject] = {}


def is_interested(managed: frozenset[str], spec: Object) -> bool:
    """Whether an extender wants to be asked: it manages a resource that a container names, or everything."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    limits = [(c.get("resources") or {}).get(part) or {} for c in containers for part in ("requests", "limits")]
    return not managed or any(name in managed for each in limits for name in each)


def loosely(answer: Any, *names: str) -> list[Any]:
    """Fields of an answer, however their names are written; None for what is not there."""
    if not isinstance(answer, dict):
        raise ExtenderFailed(f"json: cannot unmarshal into Go value: {str(answer)[:100]}")
    folded = {key.lower(): value for key, value in answer.items()}
    return [folded.get(name.lower()) for name in names]


def nodes_question(asked: Asked, names: Sequence[str], by_name: bool) -> Object:
    if by_name:
        return {"Pod": asked.pod, "Nodes": None, "NodeNames": list(names)}
    items = [asked.node(name) for name in names]
    return {"Pod": asked.pod, "Nodes": {"metadata": {}, "items": items}, "NodeNames": None}


def read_filtered(url: str, answer: Any, names: Sequence[str], by_name: bool) -> Filtered:
    """Raises ExtenderFailed."""
    error, left, nodes, failed, hopeless = loosely(
        answer, "Error", "NodeNames", "Nodes", "FailedNodes", "FailedAndUnresolvableNodes"
    )
    if error:
        raise ExtenderFailed(error)
    if by_name and left is not None:
        strange = next((name for name in left if name not in names), None)
        if strange is not None:
            shown = json.dumps(strange)
            where = "which is not found in the input node list"
            raise ExtenderFailed(f"extender {json.dumps(url)} claims a filtered node {shown} {where}")
    elif nodes is not None:
        left = [node["metadata"]["name"] for node in loosely(nodes, "items")[0] or ()]
    rejected = {name: Reject((why,)) for name, why in (failed or {}).items()}
    rejected |= {name: Reject((why,), hopeless=True) for name, why in (hopeless or {}).items()}
    return Filtered([name for name in left or () if name in names], rejected)


def read_scores(answer: Any, weight: int) -> dict[str, int]:
    """What is added to the scores of nodes."""
    pairs = [loosely(one, "Host", "Score") for one in answer or ()]
    return {host: (score or 0) * weight * (MAX_SCORE // MOST_POINTS) for host, score in pairs}


def victims_question(asked: Asked, candidates: Iterable[Victims], by_name: bool) -> Object:
    def told(victims: Victims) -> Object:
        pods = [{"UID": pod.uid} if by_name else asked.placed(pod) for pod in victims.pods]
        return {"Pods": pods, "NumPDBViolations": victims.violations}

    field = "NodeNameToMetaVictims" if by_name else "NodeNameToVictims"
    other = "NodeNameToVictims" if by_name else "NodeNameToMetaVictims"
    return {"Pod": asked.pod, field: {each.node: told(each) for each in candidates}, other: None}


def read_victims(url: str, answer: Any, nodes: Mapping[str, NodeView]) -> list[Victims]:
    """Raises ExtenderFailed for a node or pod that is not there."""
    found = []
    for name, about in (loosely(answer, "NodeNameToMetaVictims")[0] or {}).items():
        pods, violations = loosely(about or {}, "Pods", "NumPDBViolations")
        if name not in nodes:
            raise ExtenderFailed(f'nodeinfo not found for node name "{name}"')
        chosen = [_pod_on(url, nodes[name], loosely(one, "UID")[0]) for one in pods or ()]
        found.append(Victims(name, tuple(chosen), violations or 0))
    return found


def _pod_on(url: str, node: NodeView, uid: str) -> PodView:
    pod = node.pods.get(uid)
    if pod is None:
        claim = f"extender: {url} claims to preempt pod (UID: &{{{uid}}}) on node: {node.name}"
        raise ExtenderFailed(f"{claim}, but the pod is not found on that node")
    return pod


class Extender:
    """One of them, as its part of the configuration says. Every question raises ExtenderFailed."""

    def __init__(self, told: Object) -> None:
        self.url: str = told.get("urlPrefix") or ""
        self.ignorable = bool(told.get("ignorable"))
        self.filters, self.rates = bool(told.get("filterVerb")), bool(told.get("prioritizeVerb"))
        self.chooses_victims, self.binds = bool(told.get("preemptVerb")), bool(told.get("bindVerb"))
        self._told = told
        self._by_name = bool(told.get("nodeCacheCapable"))
        self._managed = frozenset(r.get("name") or "" for r in told.get("managedResources") or ())
        self._timeout = seconds(told, "httpTimeout", TIMEOUT)
        self._client: HttpClient | None = None

    def is_interested(self, spec: Object) -> bool:
        return is_interested(self._managed, spec)

    async def filter(self, asked: Asked, names: Sequence[str]) -> Filtered:
        answer = await self._ask("filterVerb", nodes_question(asked, names, self._by_name))
        return read_filtered(self.url, answer, names, self._by_name)

    async def rate(self, asked: Asked, names: Sequence[str]) -> dict[str, int]:
        answer = await self._ask("prioritizeVerb", nodes_question(asked, names, self._by_name))
        return read_scores(answer, self._told.get("weight") or 0)

    async def choose_victims(
        self, asked: Asked, candidates: Sequence[Victims], nodes: Mapping[str, NodeView]
    ) -> list[Victims]:
        answer = await self._ask("preemptVerb", victims_question(asked, candidates, self._by_name))
        return read_victims(self.url, answer, nodes)

    async def bind(self, about: PodView, node: str) -> None:
        question = {"PodName": about.name, "PodNamespace": about.namespace, "PodUID": about.uid, "Node": node}
        error = loosely(await self._ask("bindVerb", question), "Error")[0]
        if error:
            raise ExtenderFailed(error)

    async def _ask(self, verb: str, question: Object) -> Any:
        from umiak.kit.http.client import HttpClient, HttpError

        if self._client is None:
            self._client = HttpClient(self.url, self._trust(), server_name=self._tls("serverName"))
        action = self._told[verb]
        try:
            body = msgspec.json.encode(question)
            status, _, data = await self._client.request("POST", f"/{action}", HEADERS, body, self._timeout)
        except HttpError as error:
            raise ExtenderFailed(f'Post "{self._full(action)}": {error}') from error
        if status != 200:
            raise ExtenderFailed(f"failed {action} with extender at URL {self._full(action)}, code {status}")
        try:
            return json.loads(data)
        except ValueError as error:
            raise ExtenderFailed(f"the answer of {self._full(action)} is no JSON: {error}") from None

    def _full(self, action: str) -> str:
        return f"{self.url.rstrip('/')}/{action}"

    def _tls(self, name: str) -> str:
        return (self._told.get("tlsConfig") or {}).get(name) or ""

    def _pem(self, name: str) -> str:
        """Of a file, or of what the configuration holds itself, which wins."""
        data, path = self._tls(f"{name}Data"), self._tls(f"{name}File")
        if data:
            return base64.b64decode(data).decode()
        return Path(path).read_text() if path else ""

    def _trust(self) -> "ssl.SSLContext | None":
        """HTTPS without an authority to trust trusts everybody, as the reference does when told `enableHTTPS`."""
        from umiak.kit.tls import client_context

        if urlsplit(self.url).scheme != "https":
            return None
        try:
            authority = self._pem("ca")
            careless = bool(self._tls("insecure")) or (bool(self._told.get("enableHTTPS")) and not authority)
            return client_context(authority, self._pem("cert"), self._pem("key"), insecure=careless)
        except (OSError, ValueError) as error:
            raise ExtenderFailed(f"extender {self.url}: {error}") from error

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def extenders_of(told: Iterable[Object]) -> list[Extender]:
    """Those that may fail come last, so that they are asked about fewer nodes."""
    return sorted((Extender(one) for one in told), key=lambda extender: extender.ignorable)


def ignored_resources(told: Iterable[Object]) -> list[str]:
    """Resources that extenders care for, so that the scheduler does not."""
    managed = (resource for one in told for resource in one.get("managedResources") or ())
    return [resource["name"] for resource in managed if resource.get("ignoredByScheduler")]
