"""What is wrong with the expressions of policies, webhooks and device selectors, as field errors.

The language is loaded when the first expression is looked at: few servers ever see one.
Sources: `pkg/apis/admissionregistration/validation`, `pkg/apis/resource/validation`.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from umiak.api.common.checks import Errors
from umiak.objects.errors import FieldError, field_forbidden, invalid_value, required, too_long
from umiak.objects.types import Object

if TYPE_CHECKING:
    from umiak.objects.cel.checked import Expressions

LONGEST_VALUE = 5 * 1024
"""Bytes of the expression of an audit annotation."""

LONGEST_SELECTOR = 10 * 1024
DEAREST_SELECTOR = 1_000_000
"""Bytes of a device selector, and what it may cost at most."""


def _report(found: Any, source: str, path: str, errors: Errors) -> None:
    """Notes what kept `source` from being compiled."""
    from umiak.objects.cel.checked import Fault

    if not isinstance(found, Fault):
        return
    if found.is_internal:
        errors.append(FieldError("InternalError", path, f"Internal error: {found.detail}"))
    else:
        errors.append(invalid_value(path, source, found.detail))


def expressions(params: bool, composes: bool) -> "Expressions":
    from umiak.objects.cel.checked import Expressions

    return Expressions(params, composes)


@lru_cache(maxsize=2)
def _conditions(params: bool) -> "Expressions":
    return expressions(params, composes=False)


def condition(source: str, path: str, errors: Errors, params: bool = False) -> None:
    """A match condition, of a webhook or of a policy; it sees no variables."""
    from umiak.objects.cel.types import BOOL

    text = source.strip()
    _report(_conditions(params).compile(text, (BOOL,)), text, path, errors)


class PolicyExpressions:
    """Those of one policy, checked one after the other as their order in it demands."""

    def __init__(self, spec: Object, composes: bool) -> None:
        self.compiler = expressions(spec.get("paramKind") is not None, composes)

    def variable(self, variable: Object, path: str, errors: Errors) -> None:
        found = self.compiler.add_variable(variable.get("name") or "", variable["expression"])
        _report(found, variable["expression"], path, errors)

    def validation(self, source: str, path: str, errors: Errors) -> None:
        from umiak.objects.cel.types import BOOL

        _report(self.compiler.compile(source, (BOOL,)), source, path, errors)

    def message(self, source: str, path: str, errors: Errors) -> None:
        """Messages may not ask the authorizer."""
        from umiak.objects.cel.types import STRING

        _report(self.compiler.compile(source, (STRING,), authorizer=False), source, path, errors)

    def audit_value(self, source: str, path: str, errors: Errors) -> None:
        from umiak.objects.cel.types import NULL, STRING

        text = source.strip()
        if len(text.encode()) > LONGEST_VALUE:
            errors.append(required(path, f"must not exceed {LONGEST_VALUE} bytes in length"))
        else:
            _report(self.compiler.compile(text, (STRING, NULL)), source, path, errors)

    def mutation(self, source: str, field: str, path: str, errors: Errors) -> None:
        """`field` is applyConfiguration or jsonPatch."""
        from umiak.objects.cel.types import list_of, struct

        wanted = struct("Object") if field == "applyConfiguration" else list_of(struct("JSONPatch"))
        text = source.strip()
        _report(self.compiler.compile(text, (wanted,), mutating=True), text, path, errors)


def device_selectors(selectors: list[Object] | None, path: str, errors: Errors) -> None:
    """Which devices will do, each by an expression."""
    for index, selector in enumerate(selectors or ()):
        where = f"{path}[{index}].cel"
        if selector.get("cel") is None:
            errors.append(required(where))
        else:
            _device_selector(selector["cel"].get("expression") or "", f"{where}.expression", errors)


def _device_selector(source: str, path: str, errors: Errors) -> None:
    from umiak.objects.cel.checked import Fault, compiled, shown
    from umiak.objects.cel.types import ANY, BOOL
    from umiak.objects.cel.uses import device

    if len(source.encode()) > LONGEST_SELECTOR:
        errors.append(too_long(path, LONGEST_SELECTOR))
        return
    found = compiled(device(), source)
    if isinstance(found, Fault):
        _report(found, source, path, errors)
    elif found.result_type not in (BOOL, ANY):
        text = f"must evaluate to bool or the unknown type, not {shown(found.result_type)}"
        errors.append(invalid_value(path, source, text))
    elif found.estimated_cost[1] > DEAREST_SELECTOR:
        errors.append(field_forbidden(path, "too complex, exceeds cost limit"))
