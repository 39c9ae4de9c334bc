"""A blocking client for tests: objects as dicts, kinds by any name that kubectl takes."""

from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

from umiak.api.kind import Kind
from umiak.client.client import ApiClient, closed
from umiak.client.contract import Client as AsyncClient
from umiak.objects import meta
from umiak.objects.encoding import documents
from umiak.objects.errors import StatusError
from umiak.objects.types import Object

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, T]], T]
Objects = list[Object]
SUFFIXES = (".yaml", ".yml", ".json")
DEFINITION = "CustomResourceDefinition"
FIRST = (DEFINITION, "Namespace")
"""Kinds that others in the same manifest need."""
MANAGER = "umiak-testing"


class UnknownKind(LookupError):
    """No kind of that name is served."""


def find(kinds: Iterable[Kind], word: str) -> Kind:
    """`pods`, `pod`, `po`, `Pod`, `deployments.apps`, `apps/v1/Deployment`: preferred versions come first.

    Raises UnknownKind.
    """
    version, _, name = word.rpartition("/")
    plural, _, group = name.partition(".")
    for kind in kinds:
        names = (kind.kind, kind.plural, kind.singular, *kind.short_names)
        if version in ("", kind.api_version) and plural in names and group in ("", kind.group):
            return kind
    raise UnknownKind(f'the server doesn\'t have a resource type "{word}"')


def find_for(kinds: Iterable[Kind], obj: Object) -> Kind:
    """The kind that an object says it is of. Raises UnknownKind."""
    return find(kinds, f"{obj.get('apiVersion', '')}/{obj.get('kind', '')}")


async def create(client: AsyncClient, kinds: Iterable[Kind], obj: Object) -> Object:
    """In the namespace it names, or `default`; what a definition defines is served then. Raises UnknownKind and
    StatusError."""
    kind = find_for(kinds, obj)
    made = await client.create(kind, obj, namespace=_namespace(kind, obj))
    if kind.kind == DEFINITION:
        await _decided(client, kind, made)
    return made


async def _decided(client: AsyncClient, kind: Kind, definition: Object) -> None:
    """Waits until the server has established a new definition, or has said why it does not."""
    since, name = meta.resource_version(definition), meta.name(definition)
    events = client.watch(kind, fields=f"metadata.name={name}", resource_version=since)
    try:
        async for event in events:
            conditions = (event.object.get("status") or {}).get("conditions") or ()
            if event.type == "DELETED" or any(c["type"] == "Established" for c in conditions):
                return
    finally:
        await closed(events)


class Client:
    """Every method raises `StatusError` on a refusal. `namespace` counts for namespaced kinds only."""

    def __init__(self, client: ApiClient, kinds: Callable[[], list[Kind]], run: Callable[..., Any]) -> None:
        self._client = client
        self._kinds = kinds
        self._run = run

    def kind(self, word: str) -> Kind:
        """Raises UnknownKind."""
        return find(self._kinds(), word)

    def kind_of(self, obj: Object) -> Kind:
        """Raises UnknownKind."""
        return find_for(self._kinds(), obj)

    def get(self, kind: str, name: str, namespace: str = "default") -> Object:
        found, where = self._place(kind, namespace)
        return self._do(self._client.get(found, name, where))

    def find(self, kind: str, name: str, namespace: str = "default") -> Object | None:
        """None when there is no such object."""
        try:
            return self.get(kind, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return None

    def list(self, kind: str, namespace: str = "", *, labels: str = "", fields: str = "") -> Objects:
        """Of all namespaces unless one is named; selectors as on kubectl's command line."""
        found, where = self._place(kind, namespace)
        return self._do(self._client.list(found, where, labels=labels, fields=fields)).items

    def create(self, obj: Object) -> Object:
        return self._do(create(self._client, self._kinds(), obj))

    def update(self, obj: Object, subresource: str = "") -> Object:
        return self._do(self._client.update(self.kind_of(obj), obj, subresource=subresource))

    def apply(self, obj: Object, *, manager: str = MANAGER, force: bool = False) -> Object:
        """Server-side apply."""
        kind = self.kind_of(obj)
        where = kind, meta.name(obj), _namespace(kind, obj)
        return self._do(self._client.patch(*where, obj, type="apply", field_manager=manager, force=force))

    def patch(
        self,
        kind: str,
        name: str,
        patch: Any,
        namespace: str = "default",
        *,
        type: str = "merge",
        subresource: str = "",
    ) -> Object:
        """`type` is merge, strategic or json."""
        found, where = self._place(kind, namespace)
        return self._do(self._client.patch(found, name, where, patch, type=type, subresource=subresource))

    def delete(self, kind: str, name: str, namespace: str = "default", *, propagation: str = "") -> Object:
        found, where = self._place(kind, namespace)
        return self._do(self._client.delete(found, name, where, propagation=propagation))

    def load(self, *manifests: str | Path | Object) -> Objects:
        """Creates what files, folders of them, YAML or JSON texts and objects describe: definitions and namespaces
        first. Raises OSError, `objects.encoding.Unreadable` and StatusError."""
        return [self.create(obj) for obj in sorted_objects(manifests)]

    def _place(self, word: str, namespace: str) -> tuple[Kind, str]:
        kind = self.kind(word)
        return kind, namespace if kind.namespaced else ""

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        done: T = self._run(work)
        return done


def _namespace(kind: Kind, obj: Object) -> str:
    return (meta.namespace(obj) or "default") if kind.namespaced else ""


def sorted_objects(manifests: Iterable[str | Path | Object]) -> Objects:
    """All that they describe, what others need first. Raises OSError and `objects.encoding.Unreadable`."""
    found = [obj for manifest in manifests for obj in objects_of(manifest)]
    return sorted(found, key=lambda obj: FIRST.index(obj["kind"]) if obj.get("kind") in FIRST else len(FIRST))


def objects_of(manifest: str | Path | Object) -> list[Object]:
    """A text with a line break is a manifest itself; any other names a file or folder."""
    if isinstance(manifest, dict):
        return _items(manifest)
    if isinstance(manifest, str) and "\n" in manifest:
        return [obj for document in documents(manifest.encode()) for obj in _items(document)]
    path = Path(manifest)
    files = sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path]
    return [obj for file in files for document in documents(file.read_bytes()) for obj in _items(document)]


def _items(document: Any) -> list[Object]:
    """A `List` stands for what is in it."""
    if isinstance(document, dict) and document.get("kind") == "List":
        return list(document.get("items") or ())
    return [document]
