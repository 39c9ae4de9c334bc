"""Field and label selectors inside questions: what is wrong with them, and what authorizers get to see.

Requirements that are not understood are left out, which makes the question broader, never narrower (KEP-4601).
"""

from umiak.api.common.checks import selector_requirement
from umiak.objects.errors import FieldError, field_forbidden, required
from umiak.objects.selectors import InvalidSelector, Requirement, escaped_field, parse_fields, parse_labels, requirement
from umiak.objects.types import Object

PATH = "spec.resourceAttributes"
LABEL_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
FIELD_OPERATORS = {"In": "=", "NotIn": "!="}


def selector_faults(spec: Object) -> list[FieldError]:
    about = spec.get("resourceAttributes") or {}
    return [
        *_faults(about.get("fieldSelector"), "fieldSelector"),
        *_faults(about.get("labelSelector"), "labelSelector"),
    ]


def _faults(selector: Object | None, field: str) -> list[FieldError]:
    if selector is None:
        return []
    path, raw, wanted = f"{PATH}.{field}", selector.get("rawSelector"), selector.get("requirements") or []
    found: list[FieldError] = []
    if raw and wanted:
        text = "may not specified at the same time as requirements"
        found.append(FieldError("FieldValueInvalid", f"{path}.rawSelector", f'Invalid value: "{raw}": {text}'))
    if not raw and not wanted:
        text = f"when {path} is specified, requirements or rawSelector is required"
        found.append(required(f"{path}.requirements", text))
    for i, one in enumerate(wanted):
        where = f"{path}.requirements[{i}]"
        found += _field_faults(one, where) if field == "fieldSelector" else _label_faults(one, where)
    return found


def _field_faults(one: Object, path: str) -> list[FieldError]:
    operator, values = one.get("operator"), one.get("values")
    found = [] if one.get("key") else [required(f"{path}.key", "must be specified")]
    if operator in ("In", "NotIn") and not values:
        found.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    if operator in ("Exists", "DoesNotExist") and values:
        text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        found.append(field_forbidden(f"{path}.values", text))
    return found


def _label_faults(one: Object, path: str) -> list[FieldError]:
    """Operators of later versions are let through."""
    found: list[FieldError] = []
    selector_requirement(one, path, found)
    return [fault for fault in found if fault.path != f"{path}.operator"]


def field_selector(selector: Object | None) -> tuple[str, bool]:
    """(what of it is understood, as text; whether something was not)."""
    if not selector:
        return "", False
    if not (wanted := selector.get("requirements")):
        raw = selector.get("rawSelector") or ""
        try:
            parse_fields(raw)
        except InvalidSelector:
            return "", True
        return raw, False
    good = [one for one in wanted if one.get("operator") in FIELD_OPERATORS and len(one.get("values") or ()) == 1]
    terms = (f"{o.get('key', '')}{FIELD_OPERATORS[o['operator']]}{escaped_field(o['values'][0])}" for o in good)
    return ",".join(terms), len(good) < len(wanted)


def label_selector(selector: Object | None) -> tuple[str, bool]:
    """(what of it is understood, as text; whether something was not)."""
    if not selector:
        return "", False
    wanted = selector.get("requirements") or []
    if not wanted:
        raw = selector.get("rawSelector") or ""
        try:
            parse_labels(raw)
        except InvalidSelector:
            return "", True
        return raw, False
    good = [found for one in wanted if (found := _requirement(one)) is not None]
    return ",".join(map(str, good)), len(good) < len(wanted)


def _requirement(one: Object) -> Requirement | None:
    operator = LABEL_OPERATORS.get(one.get("operator") or "", "")
    try:
        return requirement(one.get("key") or "", operator, one.get("values") or ())
    except InvalidSelector:
        return None


def evaluation_errors(about: Object) -> str:
    """Which selectors were not taken, or not whole."""
    fields, fields_failed = field_selector(about.get("fieldSelector"))
    labels, labels_failed = label_selector(about.get("labelSelector"))
    told = []
    for name, kept, failed in (("fieldSelector", fields, fields_failed), ("labelSelector", labels, labels_failed)):
        if failed:
            told.append(f"{PATH}.{name} {'partially ' if kept else ''}ignored due to parse error")
    return "; ".join(told)
