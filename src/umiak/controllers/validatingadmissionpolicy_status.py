"""Says in the status of a ValidatingAdmissionPolicy which of its expressions do not fit the kinds it is about.

Kinds and their schemas are asked of the API server, once for each generation of a policy.
Source: apiserver's `pkg/admission/plugin/policy/validating/typechecking.go`.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec

from umiak.api.admissionregistration.validatingadmissionpolicy import KIND as POLICY
from umiak.api.kind import Kind
from umiak.client.contract import Client
from umiak.client.discovery import all_versions
from umiak.objects import meta
from umiak.objects.meta import Key
from umiak.objects.types import Object
from umiak.reconcile.contract import DONE, Context, Controller, Outcome

if TYPE_CHECKING:
    from umiak.objects.cel.declared import Declared

FIELD_MANAGER = "validatingadmissionpolicy-status"
MOST_KINDS = 10
REFERENCE = "#/components/schemas/"


class Named(msgspec.Struct, frozen=True, order=True):
    """A kind by its name."""

    group: str
    version: str
    kind: str

    def __str__(self) -> str:
        return f"{self.group}/{self.version}, Kind={self.kind}"

    @property
    def path(self) -> str:
        """Under which the schemas of its group and version are listed."""
        return f"apis/{self.group}/{self.version}" if self.group else f"api/{self.version}"


Schemas = dict[Named, "Declared | None"]


def kinds_of(policy: Object, served: Sequence[Kind]) -> list[Named]:
    """The kinds that a policy names without wildcards; a rule that names ten is the last to be looked at."""
    found: set[Named] = set()
    for rule in (policy["spec"].get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
        if any("*" in name for name in (*groups, *versions)):
            continue
        meant = list(islice(_resolved(rule, served), MOST_KINDS))
        found.update(meant)
        if len(meant) == MOST_KINDS:
            break
    return sorted(found)


def _resolved(rule: Object, served: Sequence[Kind]) -> Iterator[Named]:
    """An empty group is any group: the reference's mapper takes it so."""
    for group in sorted(rule.get("apiGroups") or ()):
        for version in sorted(rule.get("apiVersions") or ()):
            for resource in sorted(r for r in rule.get("resources") or () if not {"*", "/"} & set(r)):
                for kind in served:
                    is_meant = kind.version == version and resource in (kind.plural, kind.singular)
                    if is_meant and group in ("", kind.group):
                        yield Named(kind.group, kind.version, kind.kind)


def param_kind(policy: Object) -> Named | None:
    wanted = policy["spec"].get("paramKind")
    if not wanted:
        return None
    group, _, version = (wanted.get("apiVersion") or "").rpartition("/")
    return Named(group, version, wanted.get("kind") or "")


def schema_of(document: Object, named: Named) -> Object | None:
    """A kind's schema in an OpenAPI document, with all it refers to put in; None when it is not there."""
    schemas = (document.get("components") or {}).get("schemas") or {}
    wanted = {"group": named.group, "version": named.version, "kind": named.kind}
    for name, schema in schemas.items():
        if wanted in (schema.get("x-kubernetes-group-version-kind") or ()):
            return _filled(schema, schemas, (name,))
    return None


def _filled(schema: Object, schemas: Object, within: tuple[str, ...]) -> Object:
    """What contains itself is an object without fields there."""
    if (name := _reference(schema)) is not None:
        if name in within:
            return {"type": "object"}
        schema, within = schemas.get(name) or {}, (*within, name)
    found = dict(schema)
    if found.get("format") == "int-or-string":
        found["x-kubernetes-int-or-string"] = True
    if properties := found.get("properties"):
        found["properties"] = {name: _filled(part, schemas, within) for name, part in properties.items()}
    for field in ("items", "additionalProperties"):
        if isinstance(found.get(field), dict):
            found[field] = _filled(found[field], schemas, within)
    return found


def _reference(schema: Object) -> str | None:
    for part in (schema, *(schema.get("allOf") or ())):
        if "$ref" in part:
            return str(part["$ref"]).removeprefix(REFERENCE)
    return None


def warnings(policy: Object, kinds: Sequence[Named], schemas: Schemas) -> list[Object]:
    """One for each expression that does not fit; texts have a paragraph for each kind."""
    found = []
    for index, validation in enumerate(policy["spec"].get("validations") or ()):
        for field in ("expression", "messageExpression"):
            source = validation.get(field)
            if source and (text := "\n".join(_misfits(source, policy, kinds, schemas))):
                found.append({"fieldRef": f"spec.validations[{index}].{field}", "warning": text})
    return found


def _misfits(source: str, policy: Object, kinds: Sequence[Named], schemas: Schemas) -> Iterator[str]:
    from umiak.objects.cel import types, uses
    from umiak.objects.cel.checked import as_variable
    from umiak.objects.cel.errors import CompileError, InstantiationError

    params = param_kind(policy)
    for kind in kinds:
        variables: dict[str, Any] = {}
        of_params = None if params is None else schemas.get(params)
        environment = uses.typed_policy(schemas[kind], of_params, params is not None, variables)
        for variable in policy["spec"].get("variables") or ():
            try:
                variables[variable["name"]] = as_variable(environment.compile(variable["expression"]).result_type)
            except (CompileError, InstantiationError):
                variables[variable["name"]] = types.DYN
        try:
            environment.compile(source)
        except CompileError as error:
            yield f"{kind}: {error}\n"
        except InstantiationError:
            continue  # types are all that is checked here


async def reconcile(ctx: Context, key: Key) -> Outcome:
    policy = ctx.cache.get(POLICY, key)
    if policy is None or not needs_check(None, policy):
        return DONE
    kinds, params = kinds_of(policy, await all_versions(ctx.client)), param_kind(policy)
    schemas = await schemas_of(ctx.client, [*kinds, *([params] if params else [])])
    found = warnings(policy, [kind for kind in kinds if kind in schemas], schemas)
    await write(ctx, policy, found)
    return DONE


async def schemas_of(client: Client, kinds: Sequence[Named]) -> Schemas:
    """The types of objects of these kinds; kinds without a schema are left out."""
    from umiak.objects.cel.declared import of_schema

    listed = msgspec.json.decode((await client.raw("GET", "/openapi/v3")).body).get("paths") or {}
    documents: dict[str, Object] = {}
    found: Schemas = {}
    for number, named in enumerate(kinds):
        entry = listed.get(named.path)
        if entry is None or named in found:
            continue
        if named.path not in documents:
            documents[named.path] = msgspec.json.decode((await client.raw("GET", entry["serverRelativeURL"])).body)
        schema = schema_of(documents[named.path], named)
        if schema is not None:
            found[named] = of_schema(schema, f"{named.kind}{number}", is_root=True)
    return found


async def write(ctx: Context, policy: Object, found: list[Object]) -> None:
    status = {
        "observedGeneration": policy["metadata"]["generation"],
        "typeChecking": {"expressionWarnings": found} if found else {},
    }
    name = meta.name(policy)
    wanted = {"apiVersion": POLICY.api_version, "kind": POLICY.kind, "metadata": {"name": name}, "status": status}
    await ctx.client.patch(
        POLICY, name, "", wanted, type="apply", subresource="status", field_manager=FIELD_MANAGER, force=True
    )


def needs_check(old: Object | None, new: Object | None) -> bool:
    if new is None:
        return False
    return new["metadata"]["generation"] > ((new.get("status") or {}).get("observedGeneration") or 0)


CONTROLLER = Controller(
    name="validatingadmissionpolicy-status", watches=POLICY, reconcile=reconcile, should_wake=needs_check
)
