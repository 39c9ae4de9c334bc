"""CustomResourceDefinition: defaults, stored versions, and what is wrong with a definition."""

from typing import Any

from umiak.api.apiextensions.customresourcedefinition import KIND


def definition(**spec: Any) -> dict[str, Any]:
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
    names = {"plural": "boats", "kind": "Boat"}
    whole = {"group": "sea.example", "scope": "Namespaced", "names": names, "versions": [version], **spec}
    return {"metadata": {"name": "boats.sea.example"}, "spec": whole}


def made(**spec: Any) -> dict[str, Any]:
    obj = definition(**spec)
    KIND.default(obj)
    KIND.prepare_create(obj)
    return obj


def faults(obj: dict[str, Any]) -> list[str]:
    return [f"{error.path}: {error.message}" for error in KIND.validate(obj)]


def with_schema(schema: dict[str, Any]) -> dict[str, Any]:
    return made(versions=[{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}])


def test_names_conversion_and_stored_version_are_filled_in() -> None:
    obj = made()
    assert obj["spec"]["names"] == {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"}
    assert obj["spec"]["conversion"] == {"strategy": "None"}
    assert obj["status"]["storedVersions"] == ["v1"]
    assert faults(obj) == []


def test_update_remembers_versions_stored_before() -> None:
    old = made()
    new = made(
        versions=[{**old["spec"]["versions"][0], "storage": False}, {**old["spec"]["versions"][0], "name": "v2"}]
    )
    KIND.prepare_update(new, old)
    assert new["status"]["storedVersions"] == ["v1", "v2"]
    assert old["status"]["storedVersions"] == ["v1"]


def test_name_tells_plural_and_group() -> None:
    obj = made(group="lake.example")
    assert faults(obj) == [
        'metadata.name: Invalid value: "boats.sea.example": must be spec.names.plural+"."+spec.group'
    ]


def test_one_version_is_stored() -> None:
    obj = made(versions=[{**definition()["spec"]["versions"][0], "storage": False}])
    assert [text.split(":")[0] for text in faults(obj)] == ["spec.versions", "status.storedVersions"]
    assert '"Schema":null' in faults(obj)[0]


def test_every_field_has_a_type() -> None:
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"sail": {}}}}}
    place = "spec.validation.openAPIV3Schema.properties[spec].properties[sail].type"
    assert faults(with_schema(schema)) == [f"{place}: Required value: must not be empty for specified object fields"]
    schema["properties"]["spec"]["properties"]["sail"] = {"x-kubernetes-int-or-string": True}  # type: ignore[index]
    assert faults(with_schema(schema)) == []


def test_pattern_of_another_dialect_passes() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": r"^\pL+\z"}}}
    assert faults(with_schema(schema)) == []
    schema["properties"]["a"]["pattern"] = "("  # type: ignore[index]
    assert "missing closing )" in faults(with_schema(schema))[0]


def test_scope_of_established_definition_stays() -> None:
    old, new = made(), made(scope="Cluster")
    assert KIND.validate_update(new, old) == []
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    assert [error.path for error in KIND.validate_update(new, old)] == ["spec.scope"]
