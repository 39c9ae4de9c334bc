"""The environments of kube-apiserver's uses of expressions, beside the rules of custom resources."""

from functools import lru_cache
from typing import Any

from msgspec.structs import replace

from umiak.objects.cel import types
from umiak.objects.cel.declared import BOOL, DYN, INT, STRING, Declarations, Declared, list_of, map_of, object_of
from umiak.objects.cel.declared import FORMATS as TIMES
from umiak.objects.cel.environment import Environment
from umiak.objects.cel.library.authorizer import AUTHORIZER, RESOURCE_CHECK
from umiak.objects.cel.types import Type
from umiak.objects.cel.values import Struct

STRINGS = list_of(STRING)
TIMESTAMP = Declared(types.TIMESTAMP, read=TIMES["date-time"][3])


@lru_cache(maxsize=1)
def request_type() -> Declared:
    """An admission request."""
    kind = object_of("kubernetes.GroupVersionKind", dict.fromkeys(("group", "version", "kind"), STRING))
    resource = object_of("kubernetes.GroupVersionResource", dict.fromkeys(("group", "version", "resource"), STRING))
    user = {"username": STRING, "uid": STRING, "groups": STRINGS, "extra": map_of(STRINGS)}
    fields = {
        "kind": kind,
        "resource": resource,
        "subResource": STRING,
        "requestKind": kind,
        "requestResource": resource,
        "requestSubResource": STRING,
        "name": STRING,
        "namespace": STRING,
        "operation": STRING,
        "userInfo": object_of("kubernetes.UserInfo", user),
        "dryRun": BOOL,
        "options": DYN,
    }
    return object_of("kubernetes.AdmissionRequest", fields)


@lru_cache(maxsize=1)
def namespace_type() -> Declared:
    """A Namespace, as far as policies see it."""
    condition = dict.fromkeys(("status", "type", "message", "reason"), STRING)
    conditions = list_of(object_of("kubernetes.NamespaceCondition", {**condition, "lastTransitionTime": TIMESTAMP}))
    metadata = {
        **dict.fromkeys(("name", "generateName", "namespace", "UID", "resourceVersion"), STRING),
        **dict.fromkeys(("labels", "annotations"), map_of(STRING)),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), TIMESTAMP),
        **dict.fromkeys(("deletionGracePeriodSeconds", "generation"), INT),
        "finalizers": STRINGS,
    }
    fields = {
        "metadata": object_of("kubernetes.NamespaceMetadata", metadata),
        "spec": object_of("kubernetes.NamespaceSpec", {"finalizers": STRINGS}),
        "status": object_of("kubernetes.NamespaceStatus", {"conditions": conditions, "phase": STRING}),
    }
    return object_of("kubernetes.Namespace", fields)


class Policies(Declarations):
    """Types of admission policies. `variables` are those a policy composes, by name; a mutating policy may build
    objects and JSON patches."""

    null_is_absent = False

    def __init__(self, variables: dict[str, Type], mutating: bool, *declared: Declared) -> None:
        super().__init__(request_type(), namespace_type(), *declared)
        self.variables = variables
        self.mutating = mutating

    def find_type(self, name: str) -> Type | None:
        if name == VARIABLES.name:
            return VARIABLES
        if self.mutating and (name in ("Object", "JSONPatch") or name.startswith("Object.")):
            return types.struct(name)
        return super().find_type(name)

    def find_field(self, struct: str, field: str) -> Type | None:
        if struct == VARIABLES.name:
            return self.variables.get(field)
        if self.mutating and (struct == "Object" or struct.startswith("Object.")):
            return types.DYN
        if self.mutating and struct == "JSONPatch":
            return PATCH_FIELDS.get(field, NAMELESS)
        return super().find_field(struct, field)

    def make(self, name: str, fields: dict[str, Any]) -> Any:
        return Struct(name, fields)


VARIABLES = types.struct("kubernetes.variables")
NAMELESS = Type("")
"""Of fields that a JSON patch does not have: the reference knows them, but not their type."""

PATCH_FIELDS = {"op": types.STRING, "path": types.STRING, "from": types.STRING, "value": types.DYN}


def admission(
    params: bool = False,
    authorizer: bool = False,
    variables: dict[str, Type] | None = None,
    mutating: bool = False,
) -> Environment:
    """Of admission policies, and with neither params nor variables of webhooks' match conditions.

    `variables` may grow while the environment is in use, as each variable of a policy sees those before it.
    """
    declared = {
        "object": types.DYN,
        "oldObject": types.DYN,
        "namespaceObject": namespace_type().type,
        "request": request_type().type,
    }
    if params:
        declared["params"] = types.DYN
    if authorizer:
        declared["authorizer"] = AUTHORIZER
        declared["authorizer.requestResource"] = RESOURCE_CHECK
    if variables is not None:
        declared["variables"] = VARIABLES
    return Environment(
        declared, Policies(variables or {} if variables is None else variables, mutating), json_patch=mutating
    )


def typed_policy(
    obj: Declared | None, params: Declared | None, has_params: bool, variables: dict[str, Type]
) -> Environment:
    """For finding out whether a policy's expressions fit the kinds it is about; None stands for what has no type.

    The reference leaves `authorizer.requestResource` out here, and so warns of it.
    """
    of_object, of_params = (types.DYN if declared is None else declared.type for declared in (obj, params))
    declared = {
        "namespaceObject": namespace_type().type,
        "request": request_type().type,
        "object": of_object,
        "oldObject": of_object,
        "authorizer": AUTHORIZER,
        "variables": VARIABLES,
    }
    if has_params:
        declared["params"] = of_params
    known = [known for known in (obj, params) if known is not None]
    return Environment(declared, Policies(variables, False, *known))


def claims() -> Environment:
    """Of rules on the claims of a token."""
    return Environment({"claims": types.map_of(types.STRING, types.DYN)})


def user() -> Environment:
    """Of rules on the user a token stands for."""
    fields = {"username": STRING, "uid": STRING, "groups": STRINGS, "extra": map_of(STRINGS)}
    declared = object_of("kubernetes.UserInfo", fields)
    return Environment({"user": declared.type}, Declarations(declared))


@lru_cache(maxsize=1)
def review_type() -> Declared:
    """The spec of a SubjectAccessReview, as webhooks' match conditions see it."""
    requirement = {"key": STRING, "operator": STRING, "values": STRINGS}
    labels = object_of("kubernetes.LabelSelectorRequirement", requirement)
    fields = object_of("kubernetes.FieldSelectorRequirement", requirement)
    resource = {
        **dict.fromkeys(("namespace", "verb", "group", "version", "resource", "subresource", "name"), STRING),
        "fieldSelector": object_of(
            "kubernetes.FieldSelectorAttributes", {"rawSelector": STRING, "requirements": list_of(fields)}
        ),
        "labelSelector": object_of(
            "kubernetes.LabelSelectorAttributes", {"rawSelector": STRING, "requirements": list_of(labels)}
        ),
    }
    spec = {
        "resourceAttributes": object_of("kubernetes.ResourceAttributes", resource),
        "nonResourceAttributes": object_of("kubernetes.NonResourceAttributes", {"path": STRING, "verb": STRING}),
        "user": STRING,
        "groups": STRINGS,
        "extra": map_of(STRINGS),
        "uid": STRING,
    }
    return object_of("kubernetes.SubjectAccessReviewSpec", spec)


def authorization() -> Environment:
    """Of match conditions of authorizing webhooks."""
    return Environment({"request": review_type().type}, Declarations(review_type()))


ATTRIBUTE = Declared(types.ANY, 64)
"""Of a device: text, number, truth or version, which the language is not told."""


class _Devices(Declarations):
    """Attributes are all of the same size, whatever they are called."""

    def size_of(self, path: tuple[str, ...]) -> int | None:
        found = super().size_of(path)
        is_attribute = found is None and len(path) == 4 and path[:2] == ("device", "attributes")
        return ATTRIBUTE.most if is_attribute else found


@lru_cache(maxsize=1)
def device() -> Environment:
    """Of selectors of devices (dynamic-resource-allocation's `cel/compile.go`, without attributes that are lists)."""
    domain, name = replace(STRING, most=63), replace(STRING, most=32)
    amount = Declared(types.struct("kubernetes.Quantity"))
    fields = {
        "driver": replace(STRING, most=63),
        "attributes": replace(map_of(replace(map_of(ATTRIBUTE, 32), key=name), 32), key=domain),
        "capacity": replace(map_of(replace(map_of(amount, 32), key=name), 32), key=domain),
        "allowMultipleAllocations": replace(BOOL, most=1),
    }
    declared = object_of("kubernetes.DRADevice", fields)
    return Environment({"device": declared.type}, _Devices(root=declared), bind=True)
