"""Which objects a list, watch or deletion is about: label and field selectors together."""

from functools import lru_cache

import msgspec

from umiak.api.kind import Kind
from umiak.objects import names
from umiak.objects.errors import bad_request
from umiak.objects.go_text import quoted
from umiak.objects.selectors import (
    EVERYTHING,
    FieldRequirement,
    InvalidSelector,
    Selector,
    parse_fields,
    parse_labels,
)
from umiak.objects.types import Object
from umiak.server.options import ListOptions
from umiak.server.stored import shown

REMEMBERED = 64
COMMON = ("metadata.name", "metadata.namespace")


class _About(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None


class _Labelled(msgspec.Struct):
    metadata: _About


_LABELLED = msgspec.json.Decoder(_Labelled)


class Selection(msgspec.Struct, frozen=True):
    """`labels` and `fields` both have to match."""

    kind: Kind
    labels: Selector = EVERYTHING
    fields: tuple[FieldRequirement, ...] = ()

    @property
    def is_everything(self) -> bool:
        return self.labels.is_empty and not self.fields

    def matches(self, value: bytes) -> bool:
        """Judges stored bytes; looks at metadata only, where that is enough."""
        about = _LABELLED.decode(value).metadata
        if not self.labels.matches(about.labels):
            return False
        special = [r for r in self.fields if not _common_matches(r, about)]
        if any(r.field in COMMON for r in special):
            return False
        if not special:
            return True
        obj = _whole(self.kind, value)
        return all((self.kind.selectable[r.field](obj) == r.value) is not r.negated for r in special)

    def exact(self, field: str) -> str:
        """The one value that `field` must have, or empty."""
        return next((r.value for r in self.fields if r.field == field and not r.negated), "")


@lru_cache(REMEMBERED)
def _whole(kind: Kind, value: bytes) -> Object:
    """For looking only. Several watchers judge each state of an object, as the new one and then as the old."""
    obj: Object = msgspec.json.decode(shown(kind, value))
    return obj


def _common_matches(requirement: FieldRequirement, about: _About) -> bool:
    """Whether this is about name or namespace and holds."""
    if requirement.field not in COMMON:
        return False
    value = about.name if requirement.field == "metadata.name" else about.namespace
    return (value == requirement.value) is not requirement.negated


def selection(kind: Kind, options: ListOptions, name: str = "") -> Selection:
    """`name` is the one in the path, if any. Raises 400."""
    if options.is_everything and not name:
        return Selection(kind)
    try:
        labels = parse_labels(options.labels) if options.labels else EVERYTHING
        fields = parse_fields(options.fields)
    except InvalidSelector as error:
        raise bad_request(str(error)) from None
    for requirement in fields:
        _check_known(kind, requirement.field)
    if name and not any(r.field == "metadata.name" for r in fields):
        if fields:
            raise bad_request("fieldSelector metadata.name doesn't match requested name")
        fields = (FieldRequirement("metadata.name", False, name),)
    return Selection(kind, labels, fields)


def _check_known(kind: Kind, field: str) -> None:
    has_own = bool(kind.selectable) or kind.is_custom
    if field in kind.selectable or field == "metadata.name":
        return
    if field == "metadata.namespace" and (kind.namespaced or not has_own):
        return
    if (kind.group, kind.plural) == ("batch", "jobs"):
        raise bad_request(f"field label {quoted(field)} not supported for Job")
    if has_own:
        named = f" for {kind.api_version}, Kind={kind.kind}" if kind.group == "resource.k8s.io" else ""
        raise bad_request(f"field label not supported{named}: {field}")
    shown_field = msgspec.json.encode(field).decode()
    raise bad_request(f'{shown_field} is not a known field selector: only "metadata.name", "metadata.namespace"')


def prefix(kind: Kind, namespace: str, wanted: Selection) -> tuple[str, str]:
    """(where to look, the single key if there can be but one object)."""
    if kind.namespaced and not namespace:
        found = wanted.exact("metadata.namespace")
        namespace = found if found and not names.dns_label(found) else ""
    name = wanted.exact("metadata.name")
    if name and not names.path_segment(name) and (namespace or not kind.namespaced):
        return kind.store_prefix(namespace), kind.store_key(namespace, name)
    return kind.store_prefix(namespace), ""
