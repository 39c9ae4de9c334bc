"""Compiles an expression for a use that wants a certain type of it, and says what is wrong in apiserver's words.

Sources: apiserver's `pkg/admission/plugin/cel/{compile,composition}.go`.
"""

from collections.abc import Sequence

import msgspec

from umiak.objects.cel import types, uses
from umiak.objects.cel.environment import Environment
from umiak.objects.cel.errors import CompileError, InstantiationError
from umiak.objects.cel.program import Program
from umiak.objects.cel.types import Type

_NAMES = {
    "null": "null_type",
    "timestamp": "google.protobuf.Timestamp",
    "duration": "google.protobuf.Duration",
    "any": "google.protobuf.Any",
}
_KEPT = frozenset({"any", "bool", "bytes", "double", "duration", "int", "null", "string", "timestamp", "uint"})


class Fault(msgspec.Struct, frozen=True):
    """Why an expression cannot be used; `is_internal` when the reference does not blame its author."""

    detail: str
    is_internal: bool = False


def shown(type: Type) -> str:
    """A type as cel-go prints it outside of its own messages."""
    name = _NAMES.get(type.kind, type.name)
    return f"{name}({', '.join(map(shown, type.params))})" if type.params and type.kind != "type" else name


def compiled(environment: Environment, source: str, wanted: Sequence[Type] = ()) -> Program | Fault:
    """`wanted` are the types that will do; any type when there are none."""
    try:
        program = environment.compile(source)
    except CompileError as error:
        return Fault(f"compilation failed: {error}")
    except InstantiationError as error:
        return Fault(f"program instantiation failed: {error}", is_internal=True)
    if not wanted or program.result_type in wanted:
        return program
    names = shown(wanted[0]) if len(wanted) == 1 else f"one of [{' '.join(map(shown, wanted))}]"
    return Fault(f"must evaluate to {names} but got {shown(program.result_type)}")


def as_variable(type: Type) -> Type:
    """The type under which later expressions see a variable: what is no plain data may be anything."""
    if type.kind in _KEPT:
        return type
    if type.kind in ("list", "map"):
        return Type(type.kind, type.name, [as_variable(inner) for inner in type.params])
    return types.DYN


class Expressions:
    """The expressions of one admission policy, which see its variables; or of webhooks, which have none."""

    def __init__(self, params: bool = False, composes: bool = True) -> None:
        self.params = params
        self.variables: dict[str, Type] | None = {} if composes else None
        self._environments: dict[tuple[bool, bool], Environment] = {}

    def compile(
        self, source: str, wanted: Sequence[Type] = (), *, authorizer: bool = True, mutating: bool = False
    ) -> Program | Fault:
        key = authorizer, mutating
        if key not in self._environments:
            self._environments[key] = uses.admission(self.params, authorizer, self.variables, mutating)
        return compiled(self._environments[key], source, wanted)

    def add_variable(self, name: str, source: str) -> Program | Fault:
        """Expressions compiled later may use it, even when it is wrong."""
        found = self.compile(source)
        if self.variables is not None:
            self.variables[name] = types.DYN if isinstance(found, Fault) else as_variable(found.result_type)
        return found
