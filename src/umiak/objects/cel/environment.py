"""Where expressions are compiled: the variables and types a caller declares, on top of kube-apiserver's libraries.

rules = Environment({"self": declared.type, "oldSelf": declared.type}, provider=declared)
program = rules.compile("self.replicas <= self.maxReplicas")
program.evaluate({"self": declared.value(data)}, Budget(PER_CALL_LIMIT))
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from umiak.objects.cel import call_costs, checker, cost, macros, parser, validators
from umiak.objects.cel.calls import Calls
from umiak.objects.cel.declarations import Cost, Library, Overload
from umiak.objects.cel.errors import CompileError, EvaluationError
from umiak.objects.cel.program import MakeStruct, Plan, Program
from umiak.objects.cel.types import Type
from umiak.objects.cel.values import Function

PER_CALL_LIMIT = 1_000_000
"""Cost one expression may have (apiserver's pkg/apis/cel)."""

RUNTIME_BUDGET = 10_000_000
"""Cost of all expressions of one policy or custom resource together."""


class Provider:
    """The struct types of an environment; this one has none."""

    null_is_absent = True
    """Whether a field that is null counts as one that is not there."""

    def find_type(self, name: str) -> Type | None:
        """The type a name stands for, None for an unknown one."""
        return None

    def find_field(self, struct: str, field: str) -> Type | None:
        """The type of a field by the name it has in expressions, None for an unknown one."""
        return None

    def field_key(self, type: Type, field: str) -> str:
        """The key of the field in the data."""
        return field

    def size_of(self, path: tuple[str, ...]) -> int | None:
        """The most elements, entries or characters of what is at a path from a variable; None when unbounded."""
        return None

    def make(self, name: str, fields: dict[str, Any]) -> Any:
        """A struct that the expression itself builds."""
        raise EvaluationError(f"unknown type: {name}")


MARKS = "([{.+-*/%?=<>"
FLAT, DEEP = 40, 10_000

NO_TYPES = Provider()


class _Libraries:
    """Overloads, functions, costs and names of types of several libraries together."""

    def __init__(self, libraries: Sequence[Library]) -> None:
        self.overloads: dict[str, list[Overload]] = {}
        self.functions: dict[str, Function] = {}
        self.costs: dict[str, Cost | int] = {}
        self.types: dict[str, Type] = {}
        for library in libraries:
            for overload in library.overloads:
                self.overloads.setdefault(overload.function, []).append(overload)
            self.functions.update(library.functions)
            self.costs.update(library.costs)
            self.types.update(library.types)


@lru_cache(maxsize=1)
def _base() -> _Libraries:
    """The libraries of version 1.37, in the order in which overloads are tried."""
    from umiak.objects.cel.library import (
        authorizer,
        calendar,
        conversions,
        formats,
        lists,
        networks,
        optionals,
        quantities,
        regex,
        semver,
        standard,
        strings,
        urls,
    )

    modules = (standard, conversions, calendar, optionals, strings, lists, regex, urls, quantities)
    more = (networks, formats, semver, authorizer)
    return _Libraries([module.LIBRARY for module in (*modules, *more)])


@lru_cache(maxsize=1)
def _with_json_patch() -> _Libraries:
    from umiak.objects.cel.library.urls import JSON_PATCH

    base = _base()
    found = _Libraries([JSON_PATCH])
    found.overloads = {**base.overloads, **found.overloads}
    found.functions = {**base.functions, **found.functions}
    found.costs = {**base.costs, **found.costs}
    found.types = dict(base.types)
    return found


class _Types:
    """Types by name: the libraries' and the caller's."""

    def __init__(self, known: Mapping[str, Type], provider: Provider) -> None:
        self.known = known
        self.provider = provider

    def find_type(self, name: str) -> Type | None:
        return self.known.get(name) or self.provider.find_type(name)

    def find_field(self, struct: str, field: str) -> Type | None:
        return None if struct in self.known else self.provider.find_field(struct, field)


@contextmanager
def _room_for(source: str) -> Iterator[None]:
    """Lets Python recurse as deep as the language allows; frames of Python code do not use up the machine's stack."""
    before = sys.getrecursionlimit()
    if sum(map(source.count, MARKS)) < FLAT or before >= DEEP:
        yield
        return
    sys.setrecursionlimit(DEEP)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


class Environment:
    """Compiles expressions over `variables`. Keep one per set of declarations: making it is cheap, yet not free."""

    def __init__(
        self,
        variables: Mapping[str, Type],
        provider: Provider = NO_TYPES,
        *,
        json_patch: bool = False,
        bind: bool = False,
    ) -> None:
        self._libraries = _with_json_patch() if json_patch else _base()
        self._variables = dict(variables)
        self._provider = provider
        self._types = _Types(self._libraries.types, provider)
        self._macros = {**macros.STANDARD, **macros.BIND} if bind else macros.STANDARD

    def compile(self, source: str) -> Program:
        """Raises CompileError; InstantiationError when a constant in it can never be converted."""
        with _room_for(source):
            return self._compile(source)

    def _compile(self, source: str) -> Program:
        tree = parser.parse(source, self._macros)
        libraries = self._libraries
        checker.check(source, tree, self._variables, libraries.overloads, self._types)
        issues = validators.validate(tree)
        if issues:
            raise CompileError(source, issues)
        estimated = cost.estimate(tree, self._provider.size_of, call_costs.estimate)
        calls = Calls(libraries.overloads, libraries.functions, libraries.costs, self._provider)
        plan = Plan(list(self._variables), calls, self._make())
        run = plan.whole(tree)
        return Program(source, tree.type, estimated, plan, run)

    def _make(self) -> MakeStruct:
        return self._provider.make
