"""Strategic merge patch: a merge patch that knows which lists are keyed; follows the reference's `strategicpatch`.

Directives: `$patch` (replace, delete), `$retainKeys`, `$setElementOrder/<list>`, `$deleteFromPrimitiveList/<list>`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from umiak.objects import go_text
from umiak.objects.encoding import to_json
from umiak.objects.types import Object

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList"
ORDER = "$setElementOrder"

BAD_DELETE_LIST = "invalid patch format of primitive list"
BAD_RETAIN_KEYS = "invalid patch format of retainKeys"
BAD_ORDER = "invalid patch format of setElementOrder list"
LISTS_OF_LISTS = "lists of lists are not supported"


class PatchError(ValueError):
    """The patch cannot be applied. `code` is the HTTP status with which the reference answers."""

    def __init__(self, message: str, code: int = 500) -> None:
        super().__init__(message)
        self.code = code


class Node(Protocol):
    """What must be known of a field; `umiak.api.schema.Schema` is one."""

    @property
    def type(self) -> str: ...
    @property
    def properties(self) -> "Mapping[str, Node]": ...
    @property
    def items(self) -> "Node": ...
    @property
    def patch_strategy(self) -> str: ...
    @property
    def patch_merge_key(self) -> str: ...
    @property
    def go_type(self) -> str: ...


def apply(original: Object, patch: Object, schema: Node) -> Object:
    """The merged object. Both arguments are changed and partly shared; hand in copies. Raises PatchError."""
    return _merge_map(original, patch, schema)


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _wrong_type(expected: Any, actual: Any) -> PatchError:
    return PatchError(f"expected a {go_text.type_name(expected)}, but received a {go_text.type_name(actual)}")


def _no_merge_key(item: Object, key: str) -> PatchError:
    return PatchError(f"map: {go_text.plain(item)} does not contain declared merge key: {key}")


def _unknown_directive(directive: Any, item: Object) -> PatchError:
    if directive is None:
        shown = "%!s(<nil>)"
    elif isinstance(directive, str):
        shown = directive
    else:
        shown = f"%!s({go_text.type_name(directive)}={go_text.plain(directive)})"
    return PatchError(f"unknown patch type: {shown} in map: {go_text.plain(item)}")


def _field(schema: Node, name: str) -> Node:
    """What is known of a field of a struct; Go finds it in any case."""
    if schema.type != "object":
        structs = ("quantity", "time", "micro-time", "raw", "fields", "any", "int-or-string")
        if schema.type not in structs:
            kind = {"list": "slice", "boolean": "bool", "bytes": "slice"}.get(schema.type, schema.type)
            raise PatchError(f"merging an object in json but data type is not struct, instead is: {kind}")
    else:
        found = schema.properties.get(name)
        if found is not None:
            return found
        for known, field in schema.properties.items():
            if known.lower() == name.lower():
                return field
    struct = schema.go_type.rpartition(".")[2]
    raise PatchError(f"unable to find api field in struct {struct} for the json field {go_text.quoted(name)}")


def _list_field(schema: Node, name: str) -> tuple[Node, Node]:
    """(the field, its elements)."""
    field = _field(schema, name)
    if field.type != "list":
        raise PatchError("expected slice or array type, but got: struct")
    return field, field.items


def _strategy(field: Node) -> str:
    """The strategy without retainKeys, which needs a directive anyway."""
    return next((s for s in field.patch_strategy.split(",") if s != "retainKeys"), "")


def _merge_map(original: Object, patch: Object, schema: Node) -> Object:
    if DIRECTIVE in patch:
        return _whole_map(patch)
    _retain_keys(original, patch)
    _ordered_lists(original, patch, schema)
    for key, value in patch.items():
        _merge_field(original, key, value, schema)
    return original


def _whole_map(patch: Object) -> Object:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        del patch[DIRECTIVE]
        return patch
    if directive == "delete":
        return {}
    raise _unknown_directive(directive, patch)


def _merge_field(original: Object, key: str, value: Any, schema: Node) -> None:
    deletes = key.startswith(DELETE_FROM)
    if deletes:
        key = _listed(key, DELETE_FROM, BAD_DELETE_LIST)
    if value is None:
        original.pop(key, None)
        return
    current = original.get(key)
    if key not in original or type(current) is not type(value):
        if not deletes:
            _take(original, key, value, discard_nulls=True)
    elif isinstance(value, dict):
        field = _field(schema, key)
        original[key] = value if _strategy(field) == "replace" else _merge_map(original[key], value, field)
    elif isinstance(value, list):
        field, items = _list_field(schema, key)
        if _strategy(field) == "merge" or deletes:
            original[key] = _merge_list(original[key], value, items, field.patch_merge_key, deletes)
        else:
            original[key] = value
    else:
        original[key] = value


def _take(original: Object, key: str, value: Any, *, discard_nulls: bool) -> None:
    """Takes over what the patch says, without directives; a value that is itself one leaves nothing."""
    if discard_nulls:
        _discard_nulls(value)
    kept, keep = _without_directives(value)
    if keep:
        original[key] = kept
    else:
        original.pop(key, None)


def _discard_nulls(value: Any) -> None:
    if isinstance(value, dict):
        for key in [key for key, item in value.items() if item is None]:
            del value[key]
        for item in value.values():
            _discard_nulls(item)
    elif isinstance(value, list):
        for item in value:
            _discard_nulls(item)


def _without_directives(value: Any) -> tuple[Any, bool]:
    """(the value, whether to keep it)."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return None, False
        pairs = ((key, _without_directives(item)) for key, item in value.items())
        return {key: item for key, (item, keep) in pairs if keep}, True
    if isinstance(value, list):
        return [item for item, keep in map(_without_directives, value) if keep], True
    return value, True


def _listed(key: str, prefix: str, fault: str) -> str:
    """The field that a directive such as `$setElementOrder/finalizers` is about."""
    head, slash, name = key.partition("/")
    if not slash or head != prefix:
        raise PatchError(fault, 400)
    return name


def _retain_keys(original: Object, patch: Object) -> None:
    """Clears every field that the directive does not list; the patch may set listed ones only."""
    if RETAIN_KEYS not in patch:
        return
    kept = patch.pop(RETAIN_KEYS)
    if not isinstance(kept, list):
        raise PatchError(BAD_RETAIN_KEYS, 400)
    for key, value in patch.items():
        if value is not None and not key.startswith((DELETE_FROM, ORDER)) and key not in kept:
            raise PatchError(BAD_RETAIN_KEYS, 400)
    for key in [key for key in original if key not in kept]:
        del original[key]


def _ordered_lists(original: Object, patch: Object, schema: Node) -> None:
    """Merges the lists that come with an order, and takes both out of the patch."""
    for directive in [key for key in patch if key.startswith(ORDER)]:
        order = patch.pop(directive)
        if not isinstance(order, list):
            raise _wrong_type([], order)
        name = _listed(directive, ORDER, BAD_ORDER)
        for side in (original, patch):
            if name in side and not isinstance(side[name], list):
                raise _wrong_type([], side[name])
        field, items = _list_field(schema, name)
        live, wanted = original.get(name, []), patch.get(name, [])
        _check_order(wanted, order, field.patch_merge_key)
        if name in original and name in patch:
            merged = wanted
            if _strategy(field) == "merge":
                merged = _merge_list(list(live), wanted, items, field.patch_merge_key, False)
        elif name in patch:
            merged = _without_directives(wanted)[0]
        else:
            merged = live
        if name in original or name in patch:
            original[name] = _in_order(merged, order, live, field.patch_merge_key, _element_type(live, wanted))
            patch.pop(name, None)


def _check_order(wanted: list[Any], order: list[Any], key: str) -> None:
    """What the patch sets must be in the order's list, and in that order."""
    if not wanted or not order:
        return
    pending = [item for item in wanted if not (key and _map(item).get(DIRECTIVE) == "delete")]
    at = place = 0
    while at < len(pending) and place < len(order):
        if isinstance(pending[at], dict) and DIRECTIVE in pending[at]:
            at += 1
            continue
        if _same_element(pending[at], order[place], key):
            at += 1
        place += 1
    if at < len(pending):
        shown = go_text.plain(wanted), ORDER, go_text.plain(order)
        raise PatchError("The order in patch list:\n{}\n doesn't match {} list:\n{}\n".format(*shown))


def _map(item: Any) -> Object:
    if not isinstance(item, dict):
        raise _wrong_type({}, item)
    return item


def _same_element(a: Any, b: Any, key: str) -> bool:
    if not key:
        return _same(a, b)
    for item in (a, b):
        if key not in _map(item):
            raise _no_merge_key(item, key)
    return _same(a[key], b[key])


def _element_type(*lists: list[Any]) -> type:
    """The one type of all elements."""
    found = {type(item) for some in lists for item in some}
    if not found:
        raise PatchError("no elements in any of the given slices")
    if found == {list}:
        raise PatchError(LISTS_OF_LISTS, 422)
    if len(found) > 1:
        raise PatchError(f"list element types are not identical: {go_text.plain(list(lists))}")
    return found.pop()


def _merge_list(original: list[Any], patch: list[Any], items: Node, key: str, deletes: bool) -> list[Any]:
    if not original and not patch:
        return original
    kind = _element_type(original, patch)
    if kind is not dict:
        if deletes:
            gone = set(map(_token, patch))
            return [item for item in original if _token(item) not in gone]
        merged = _unique([*original, *patch])
    else:
        if not key:
            raise PatchError(f"cannot merge lists without merge key for {_kind_of(items)}")
        original, patch = _special_elements(original, patch, key)
        merged = _merge_maps(original, patch, items, key)
    return _in_order(merged, patch, original, key, kind)


def _kind_of(node: Node) -> str:
    return {"object": "struct", "list": "slice"}.get(node.type, node.type)


def _token(value: Any) -> Any:
    """Stands for a value in sets: equal when type and value are."""
    return (type(value), value) if not isinstance(value, dict | list) else to_json(value)


def _unique(items: list[Any]) -> list[Any]:
    return list({_token(item): item for item in reversed(items)}.values())[::-1]


def _special_elements(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Carries out the elements of the patch that are directives; returns both lists without them."""
    plain, replaces, gone = [], False, set()
    for item in patch:
        directive = item.get(DIRECTIVE)
        if DIRECTIVE not in item:
            plain.append(item)
        elif directive == "delete":
            if key not in item:
                raise _no_merge_key(item, key)
            gone.add(_token(item[key]))
        elif directive == "replace":
            replaces = True
        elif directive == "merge":
            raise PatchError("merging lists cannot yet be specified in the patch")
        else:
            raise _unknown_directive(directive, item)
    if replaces:
        return plain, []
    return [item for item in original if key not in item or _token(item[key]) not in gone] if gone else original, plain


def _merge_maps(original: list[Any], patch: list[Any], items: Node, key: str) -> list[Any]:
    merged = list(original)
    places: dict[Any, int] = {}
    for index, item in enumerate(merged):
        if key in item:
            places.setdefault(_token(item[key]), index)
    for item in patch:
        if key not in item:
            raise _no_merge_key(item, key)
        at = places.setdefault(_token(item[key]), len(merged))
        if at == len(merged):
            merged.append(item)
        else:
            merged[at] = _merge_map(merged[at], item, items)
    return merged


def _in_order(merged: list[Any], order: list[Any], server: list[Any], key: str, kind: type) -> list[Any]:
    """Elements named by `order` in its order, the others as on the server, woven together by the server's order."""
    by_key = kind is dict and bool(key)
    if by_key:
        for item in (*merged, *order, *server):
            if key not in _map(item):
                raise _no_merge_key(item, key)

    def token(item: Any) -> Any:
        return _token(item[key] if by_key else item)

    wanted = {token(item): index for index, item in reversed(list(enumerate(order)))}
    known = {token(item): index for index, item in reversed(list(enumerate(server)))}
    left = _sorted([i for i in merged if token(i) not in wanted], lambda i: known.get(token(i)))
    right = sorted((i for i in merged if token(i) in wanted), key=lambda i: wanted[token(i)])
    return _woven(left, right, lambda item: known.get(token(item), -1))


def _sorted(items: list[Any], place: Callable[[Any], int | None]) -> list[Any]:
    """By place. Without one an element goes before those ahead of it: so does the reference's insertion sort."""
    places = [place(item) for item in items]
    if None not in places:
        return [item for _, item in sorted(zip(places, items, strict=True), key=lambda pair: pair[0] or 0)]
    found: list[tuple[int | None, Any]] = []
    for at, item in zip(places, items, strict=True):
        spot = len(found)
        while spot and (at is None or (other := found[spot - 1][0]) is None or at < other):
            spot -= 1
        found.insert(spot, (at, item))
    return [item for _, item in found]


def _woven(left: list[Any], right: list[Any], place: Callable[[Any], int]) -> list[Any]:
    """`left` before `right` only where the server has both and has them so."""
    woven: list[Any] = []
    i = j = 0
    while i < len(left) and j < len(right):
        a, b = place(left[i]), place(right[j])
        if 0 <= a < b:
            woven.append(left[i])
            i += 1
        else:
            woven.append(right[j])
            j += 1
    return woven + left[i:] + right[j:]
