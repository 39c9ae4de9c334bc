"""Makes the kinds that a definition brings: one for each version that is served."""

from collections.abc import Callable, Iterable

from umiak.api.kind import Kind, Scale, Subresource
from umiak.objects.encoding import copy
from umiak.objects.errors import FieldError
from umiak.objects.go_text import plain
from umiak.objects.jsonpath import InvalidPath, NotFound, Path
from umiak.objects.structural import prune
from umiak.objects.types import Object
from umiak.server import metadata
from umiak.server.custom import columns, nodes, reading
from umiak.server.custom.checks import Checks, Rules, finalizer_warnings
from umiak.server.custom.reading import Forms
from umiak.server.discovery import version_rank

VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
ENDING = ("delete", "deletecollection", "get", "list", "watch")
"""What discovery says while a definition goes."""
PART_VERBS = ("get", "patch", "update")


def kinds(definition: Object, rules: Rules) -> list[Kind]:
    """The kinds of an established definition, whose `rules` are evaluated as that function says."""
    forms = forms_of(definition)
    versions = definition["spec"]["versions"]
    return [_kind(definition, version, forms, rules) for version in versions if version.get("served")]


def forms_of(definition: Object) -> Forms:
    spec = definition["spec"]
    return Forms({f"{spec['group']}/{version['name']}": schema_of(version) for version in spec["versions"]})


def stored_version(definition: Object) -> str:
    """The apiVersion objects are stored in."""
    spec = definition["spec"]
    return f"{spec['group']}/{next(v['name'] for v in spec['versions'] if v.get('storage'))}"


def converts(definition: Object) -> bool:
    """Whether a webhook converts between versions."""
    return (definition["spec"].get("conversion") or {}).get("strategy") == "Webhook"


def schema_of(version: Object) -> Object:
    found: Object = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return found


def definition_name(group: str, version: str, kind: str) -> str:
    """OpenAPI's name: the group's labels from right to left, then version and kind."""
    return ".".join([*reversed(group.split(".")), version, kind])


def _kind(definition: Object, version: Object, forms: Forms, rules: Rules) -> Kind:
    spec, names = definition["spec"], definition["status"]["acceptedNames"]
    schema, parts = schema_of(version), version.get("subresources") or {}
    stored, api_version = stored_version(definition), f"{spec['group']}/{version['name']}"
    checks = Checks(schema, parts.get("scale"), rules(schema), lambda new, old: _faults_about(made, new, old))
    comes_converted = converts(definition)
    is_direct = comes_converted or _stays_as_stored(definition, version)
    node = nodes.root(schema, definition_name(spec["group"], version["name"], names["kind"]), names["kind"])
    node.read = reading.reader(schema)
    has_status = "status" in parts
    made = Kind(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular") or "",
        namespaced=spec["scope"] == "Namespaced",
        verbs=VERBS,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=_subresources(names["kind"], parts),
        storage_version=stored.rpartition("/")[2],
        comes_converted=comes_converted,
        is_custom=True,
        own_list_kind=names["listKind"],
        deprecation=_deprecation(spec, version),
        load_schema=lambda: node,
        default=reading.filler(schema),
        prepare_create=_without_status(schema) if has_status else _as_it_is,
        prepare_update=_keep_status if has_status else _count_status,
        prepare_status=_only_status,
        validate=checks.create,
        validate_update=checks.update,
        validate_status=checks.status,
        warnings=finalizer_warnings,
        status_warnings=finalizer_warnings,
        from_storage=None if is_direct else reading.from_storage(forms, api_version),
        to_storage=None if comes_converted or api_version == stored else reading.to_storage(forms, stored),
        columns=columns.columns(version.get("additionalPrinterColumns")),
        selectable=_selectable(version.get("selectableFields") or ()),
        scale=_scale(parts.get("scale")),
        counts_generation=True,
        updates_unconditionally=False,
    )
    return made


def _faults_about(kind: Kind, new: Object, old: Object | None) -> list[FieldError]:
    if old is None:
        return metadata.faults_of_new(kind, new["metadata"])
    return metadata.faults_of_update(kind, new["metadata"], old["metadata"])


def _stays_as_stored(definition: Object, version: Object) -> bool:
    """Whether stored bytes are the version's own form: nobody writes others, and its schema has always been this."""
    served = sum(1 for v in definition["spec"]["versions"] if v.get("served"))
    return bool(version.get("storage")) and served == 1 and definition["metadata"].get("generation") == 1


def _subresources(kind: str, parts: Object) -> tuple[Subresource, ...]:
    found = []
    if parts.get("status") is not None:
        found.append(Subresource("status", kind, PART_VERBS))
    if parts.get("scale"):
        found.append(Subresource("scale", "Scale", PART_VERBS, "autoscaling", "v1"))
    return tuple(found)


def _scale(defined: Object | None) -> Scale | None:
    if not defined:
        return None
    selector = defined.get("labelSelectorPath") or ""
    return Scale(defined["specReplicasPath"], defined["statusReplicasPath"], selector, selector_is_text=True)


def _deprecation(spec: Object, version: Object) -> str:
    """What requests for a deprecated version are warned of; names a better version if there is one."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning") is not None:
        return str(version["deprecationWarning"])
    text = f"{spec['group']}/{version['name']} {spec['names']['kind']} is deprecated"
    better = [v["name"] for v in spec["versions"] if v.get("served") and not v.get("deprecated")]
    better = sorted((n for n in better if version_rank(n) < version_rank(version["name"])), key=version_rank)
    return f"{text}; use {spec['group']}/{better[0]} {spec['names']['kind']}" if better else text


def _selectable(fields: Iterable[Object]) -> dict[str, Callable[[Object], str]]:
    return {field["jsonPath"].removeprefix("."): _reads(field["jsonPath"]) for field in fields}


def _reads(where: str) -> Callable[[Object], str]:
    """A selectable field as text, empty where it is not there."""
    try:
        path = Path(where)
    except InvalidPath:
        return lambda obj: ""

    def read(obj: Object) -> str:
        try:
            found = path.find(obj)
        except NotFound:
            return ""
        return plain(found[0]) if found and found[0] is not None else ""

    return read


def _as_it_is(obj: Object) -> None:
    """A status that is no subresource is a field like others."""


def _without_status(schema: Object) -> Callable[[Object], None]:
    """A status comes later; one that the schema has a default for is there from the start."""
    default = (schema.get("properties") or {}).get("status", {}).get("default")

    def prepare(obj: Object) -> None:
        obj.pop("status", None)
        if default is not None:
            prune.fill_in(obj, {"properties": {"status": schema["properties"]["status"]}})

    return prepare


def _keep_status(new: Object, old: Object) -> None:
    if "status" in old:
        new["status"] = old["status"]
    else:
        new.pop("status", None)


def _count_status(new: Object, old: Object) -> None:
    """Where there is no status subresource, a change of the status is a new generation."""
    if new.get("status") != old.get("status"):
        new["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def _only_status(new: Object, old: Object) -> None:
    """Everything else stays as it was, labels too; only who manages which field is news."""
    about, status = new["metadata"], new.get("status", ...)
    managed = about.get("managedFields")
    about.clear()
    about.update(copy(old["metadata"]))
    if managed:
        about["managedFields"] = managed
    else:
        about.pop("managedFields", None)
    new.clear()
    new.update(copy({key: value for key, value in old.items() if key not in ("metadata", "status")}))
    new["metadata"] = about
    if status is not ...:
        new["status"] = status
