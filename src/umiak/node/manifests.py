"""Static pods: manifests in a folder of this machine, shown in the API as mirror pods."""

import hashlib
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from umiak.api.core.pod import KIND as POD
from umiak.client.contract import Client, Preconditions, Unreachable
from umiak.node import pods
from umiak.objects import meta
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

log = logging.getLogger(__name__)
SUFFIXES = (".yaml", ".yml", ".json")
NO_EXECUTE = {"operator": "Exists", "effect": "NoExecute"}


def read_folder(folder: Path, node: str) -> dict[str, Object]:
    """The pods of a folder by uid. A file that is no pod is passed over, with a word in the log."""
    found: dict[str, Object] = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.iterdir()):
        if path.suffix in SUFFIXES and not path.name.startswith(".") and path.is_file():
            try:
                pod = read_file(path, node)
                found[meta.uid(pod)] = pod
            except (OSError, ValueError) as error:
                log.warning("static pod manifest %s: %s", path, error)
    return found


def read_file(path: Path, node: str) -> Object:
    """Raises ValueError or OSError."""
    text = path.read_text()
    return static_pod(_parse(text), f"{path}", node)


def _parse(text: str) -> Any:
    if text.lstrip().startswith("{"):
        return json.loads(text)
    import yaml

    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def static_pod(wanted: Any, origin: str, node: str) -> Object:
    """The pod as the agent runs it: defaulted, named after the node, with a uid made of its contents."""
    if not isinstance(wanted, dict) or wanted.get("kind") != "Pod" or wanted.get("apiVersion") != "v1":
        raise ValueError("not a v1 Pod")
    about = dict(wanted.get("metadata") or {})
    if not about.get("name"):
        raise ValueError("the pod has no name")
    if not (wanted.get("spec") or {}).get("containers"):
        raise ValueError("the pod has no containers")
    contents = json.dumps([wanted, node, origin], sort_keys=True, default=str)
    digest = hashlib.md5(contents.encode(), usedforsecurity=False).hexdigest()
    about["name"] = f"{about['name']}-{node}".lower()
    about["namespace"] = about.get("namespace") or "default"
    about["uid"] = about.get("uid") or digest
    annotations = {**(about.get("annotations") or {}), pods.CONFIG_HASH: digest, pods.CONFIG_SOURCE: "file"}
    pod: Object = {"apiVersion": "v1", "kind": "Pod", "metadata": {**about, "annotations": annotations}}
    pod["spec"] = json.loads(json.dumps(wanted["spec"], default=str))
    POD.default(pod)
    pod["spec"] |= {"nodeName": node, "tolerations": [*(pod["spec"].get("tolerations") or ()), NO_EXECUTE]}
    pod["status"] = {"phase": "Pending"}
    return pod


def mirror_of(pod: Object, node: Object) -> Object:
    """The pod that shows a static one in the API."""
    about = meta.metadata(pod)
    annotations = {**meta.annotations(pod), pods.CONFIG_MIRROR: meta.annotations(pod)[pods.CONFIG_HASH]}
    found = {
        "name": about["name"],
        "namespace": about["namespace"],
        "labels": about.get("labels") or {},
        "annotations": annotations,
    }
    if meta.uid(node):
        owner = {"apiVersion": "v1", "kind": "Node", "name": meta.name(node), "uid": meta.uid(node), "controller": True}
        found["ownerReferences"] = [owner]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": found, "spec": pod["spec"]}


def shows(mirror: Object, pod: Object) -> bool:
    """Whether the mirror was made from this very manifest."""
    wanted = meta.annotations(pod).get(pods.CONFIG_HASH)
    return meta.annotations(mirror).get(pods.CONFIG_MIRROR) == wanted and not meta.is_being_deleted(mirror)


async def reconcile_mirrors(client: Client, static: Iterable[Object], known: Iterable[Object], node: Object) -> None:
    """Makes mirrors that are missing and deletes those that show nothing. Failures are for the next time."""
    mirrors = {meta.key(m): m for m in known if pods.is_mirror(m)}
    wanted = {meta.key(p): p for p in static}
    for key, mirror in mirrors.items():
        pod = wanted.get(key)
        if pod is None or not shows(mirror, pod):
            await _quietly(
                client.delete(POD, key.name, key.namespace, only=Preconditions(meta.uid(mirror)), grace_seconds=0)
            )
    for key, pod in wanted.items():
        if key not in mirrors or not shows(mirrors[key], pod):
            await _quietly(client.create(POD, mirror_of(pod, node)))


async def _quietly(call: Any) -> None:
    try:
        await call
    except (StatusError, Unreachable) as error:
        log.debug("mirror pod: %s", error)
