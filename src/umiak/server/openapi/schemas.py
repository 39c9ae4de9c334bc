"""Compiled schemas as JSON Schema, as OpenAPI 2 and 3 have it."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from umiak.api import compiled
from umiak.api.schema import Schema
from umiak.objects.types import Object

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
EXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
NAMES = {
    "quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
    "time": META + "Time",
    "micro-time": META + "MicroTime",
    "int-or-string": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "raw": "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "fields": META + "FieldsV1",
    "any": EXTENSIONS + "JSON",
    "schema-or-array": EXTENSIONS + "JSONSchemaPropsOrArray",
    "schema-or-bool": EXTENSIONS + "JSONSchemaPropsOrBool",
    "schema-or-strings": EXTENSIONS + "JSONSchemaPropsOrStringArray",
}
"""Types that write themselves, and their definitions."""
NUMBER_OR_TEXT: Object = {"oneOf": [{"type": "string"}, {"type": "number"}]}
WRITTEN: dict[int, dict[str, Object]] = {
    3: {
        NAMES["quantity"]: NUMBER_OR_TEXT,
        NAMES["int-or-string"]: {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    },
    2: {
        NAMES["quantity"]: {"type": "string"},
        NAMES["int-or-string"]: {"type": "string", "format": "int-or-string"},
    },
}
VERSION_INFO = "io.k8s.apimachinery.pkg.version.Info"
VERSION_FIELDS = ("major", "minor", "gitVersion", "gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler")
VERSION_EMULATION = ("emulationMajor", "emulationMinor", "minCompatibilityMajor", "minCompatibilityMinor")
for _own in WRITTEN.values():
    _own[VERSION_INFO] = {
        "type": "object",
        "required": [*VERSION_FIELDS, "platform"],
        "properties": {name: {"type": "string"} for name in (*VERSION_FIELDS, *VERSION_EMULATION, "platform")},
    }
    _own[NAMES["time"]] = _own[NAMES["micro-time"]] = {"type": "string", "format": "date-time"}
    _own[NAMES["raw"]] = _own[NAMES["fields"]] = _own[META + "Patch"] = {"type": "object"}
    for _name in ("any", "schema-or-array", "schema-or-bool", "schema-or-strings"):
        _own[NAMES[_name]] = {}


class Writer:
    """Writes schemas for one version of OpenAPI."""

    def __init__(self, version: int) -> None:
        self.version = version
        self.own: dict[str, Object] = {}
        """Definitions that are not compiled in, by name."""
        self._root = "#/components/schemas/" if version == 3 else "#/definitions/"

    def reference(self, name: str) -> Object:
        return {"$ref": self._root + name}

    def field(self, node: Schema) -> Object:
        """One property, element or value."""
        found = self._type(node)
        about = self._facts(node)
        if "$ref" not in found:
            return {**found, **about}
        if not about:
            return found
        return {**about, "allOf": [found]} if self.version == 3 else {**found, **about}

    def _type(self, node: Schema) -> Object:
        if node.type in NAMES:
            return self.reference(NAMES[node.type])
        if node.type == "object":
            return self.reference(node.definition)
        if node.type == "map":
            return {"type": "object", "additionalProperties": self.field(node.values)}
        if node.type == "list":
            items = self.field(node.items)
            if node.enum:
                items = {**items, "enum": list(node.enum)}
            if node.item_default is not None and self.version == 3:
                items = {"default": node.item_default, **({"allOf": [items]} if "$ref" in items else items)}
            return {"type": "array", "items": items}
        if node.type == "bytes":
            return {"type": "string", "format": "byte"}
        return {"type": node.type, **({"format": node.format} if node.format else {})}

    def _facts(self, node: Schema) -> Object:
        facts = {
            "enum": list(node.enum) if node.type != "list" else [],
            "x-kubernetes-list-map-keys": list(node.list_keys),
            "x-kubernetes-list-type": node.list_type,
            "x-kubernetes-map-type": _own_map_type(node),
            "x-kubernetes-patch-merge-key": node.patch_merge_key,
            "x-kubernetes-patch-strategy": node.patch_strategy,
        }
        found = {name: value for name, value in facts.items() if value}
        if node.default is not None and self.version == 3:
            found = {"default": node.default, **found}
        return found

    def definition(self, name: str) -> Object:
        if name in self.own:
            return self.own[name]
        if name in WRITTEN[self.version]:
            return dict(WRITTEN[self.version][name])
        node = compiled.definition(name)
        found: Object = {"type": "object"}
        if node.required:
            found["required"] = list(node.required)
        if node.properties:
            found["properties"] = {key: self.field(value) for key, value in sorted(node.properties.items())}
        if kinds := compiled.definition_kinds(name):
            found["x-kubernetes-group-version-kind"] = [
                {"group": group, "kind": kind, "version": version} for group, version, kind in kinds
            ]
        if node.map_type:
            found["x-kubernetes-map-type"] = node.map_type
        if node.unions:
            found["x-kubernetes-unions"] = list(node.unions)
        return found

    def definitions(self, names: Iterable[str]) -> dict[str, Object]:
        """Those named, and all that they refer to."""
        found: dict[str, Object] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found[name] = self.definition(name)
                waiting += [ref[len(self._root) :] for ref in references(found[name])]
        return dict(sorted(found.items()))

    def convert(self, part: Any) -> Any:
        """References in this version's form, anywhere in a document."""
        return _replaced(part, lambda ref: self._root + ref.rpartition("/")[2])


def _own_map_type(node: Schema) -> str:
    """What a field says beyond its definition."""
    if node.type == "object":
        return node.map_type if node.map_type != compiled.definition(node.definition).map_type else ""
    return node.map_type if node.type == "map" else ""


def references(part: Any) -> Iterator[str]:
    """Every `$ref` in a document."""
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def _replaced(part: Any, change: Callable[[str], str]) -> Any:
    if isinstance(part, dict):
        return {k: change(v) if k == "$ref" and isinstance(v, str) else _replaced(v, change) for k, v in part.items()}
    return [_replaced(value, change) for value in part] if isinstance(part, list) else part
