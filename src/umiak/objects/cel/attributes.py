"""Compiles paths such as `object.spec.containers[0].?image`: a root and the steps down from it.

Costs follow cel-go: one for the root, one for each step taken. As a branch of a conditional and as an index a path does
not pay for its root.
"""

from collections.abc import Callable
from typing import Any

from umiak.objects.cel.errors import EvaluationError, no_overload
from umiak.objects.cel.operators import shown
from umiak.objects.cel.values import NONE, Opaque, Optional, type_name

Frame = list[Any]
"""What one evaluation works on: the cost so far, its limit, then the variables, each at its own place."""

Run = Callable[[Frame], Any]
COST, LIMIT, FIRST = 0, 1, 2


class Unbound:
    """Marks a declared variable that was given no value."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


class Step:
    """One step down: by a constant `key`, or by what `index` yields. `is_field` names a field of an object, for which
    null counts as absent."""

    __slots__ = ("index", "is_field", "key", "optional", "test")

    def __init__(
        self, key: Any = None, index: Run | None = None, *, is_field: bool = False, optional: bool = False
    ) -> None:
        self.key = key
        self.index = index
        self.is_field = is_field
        self.optional = optional
        self.test = False


class Path:
    """`slot` is the place of a variable; else `root` computes where the path starts, at a `cost` of its own."""

    __slots__ = ("cost", "root", "slot", "steps")

    def __init__(self, slot: int = -1, root: Run | None = None, cost: int = 1) -> None:
        self.slot = slot
        self.root = root
        self.cost = cost
        self.steps: list[Step] = []

    def with_step(self, step: Step) -> "Path":
        path = Path(self.slot, self.root, self.cost)
        path.steps = [*self.steps, step]
        return path

    def compile(self) -> Run:
        return _compile(self, self.cost)

    def compile_bare(self) -> Run:
        """Without the cost of the root."""
        return _compile(self, 0)


def _compile(path: Path, cost: int) -> Run:
    if path.slot < 0:
        return _general(path, cost)
    if not path.steps:
        return _variable(path.slot, cost)
    slow = _general(path, 0)
    keys = [step.key for step in path.steps]
    plain = all(step.index is None and not step.optional and isinstance(step.key, str) for step in path.steps)
    last = path.steps[-1]
    if plain and not last.test and len(keys) <= 4:
        return _direct(path.slot, keys, cost + len(keys), slow)
    if plain and last.test and len(keys) <= 4:
        return _presence(path.slot, keys, len(keys), slow)
    return _general(path, cost)


def _variable(slot: int, cost: int) -> Run:
    def run(f: Frame) -> Any:
        f[COST] += cost
        value = f[slot]
        if type(value) is Unbound:
            raise EvaluationError(f"no such attribute(s): {value.name}")
        return value

    return run


def _direct(slot: int, keys: list[str], cost: int, slow: Run) -> Run:
    """Straight down through dicts; anything unusual is left to `slow`, which counts its own cost."""
    first, *rest = keys
    second, third, fourth = (*rest, "", "", "")[:3]

    def one(f: Frame) -> Any:
        value = f[slot]
        if isinstance(value, dict) and (found := value.get(first)) is not None:
            f[COST] += cost
            return found
        f[COST] += cost - 1
        return slow(f)

    def two(f: Frame) -> Any:
        try:
            found = f[slot][first][second]
        except (KeyError, TypeError, IndexError):
            found = None
        if found is not None:
            f[COST] += cost
            return found
        f[COST] += cost - 2
        return slow(f)

    def more(f: Frame) -> Any:
        try:
            found = f[slot][first][second][third]
            if fourth:
                found = found[fourth]
        except (KeyError, TypeError, IndexError):
            found = None
        if found is not None:
            f[COST] += cost
            return found
        f[COST] += cost - len(keys)
        return slow(f)

    return one if not rest else two if len(rest) == 1 else more


def _presence(slot: int, keys: list[str], cost: int, slow: Run) -> Run:
    *down, last = keys

    def run(f: Frame) -> Any:
        value = f[slot]
        for key in down:
            if not isinstance(value, dict) or (value := value.get(key)) is None:
                return slow(f)
        if isinstance(value, dict) and value.get(last) is not None:
            f[COST] += cost
            return True
        return slow(f)

    return run


def _general(path: Path, cost: int) -> Run:
    slot, root, steps = path.slot, path.root, path.steps
    tests = bool(steps) and steps[-1].test
    own = 0 if tests else cost

    def run(f: Frame) -> Any:
        f[COST] += own
        value = f[slot] if root is None else root(f)
        if type(value) is Unbound:
            raise EvaluationError(f"no such attribute(s): {value.name}")
        if not steps:
            return value
        optional = type(value) is Optional
        if optional:
            if value is NONE:
                return False if tests else NONE
            value = value.value
        for step in steps:
            optional = optional or step.optional
            value = _take(f, step, value, optional)
            if value is ABSENT:
                return False if tests else NONE
        if tests:
            return value
        return Optional(value) if optional else value

    return run


ABSENT = Optional(None)
"""What a step yields that may find nothing, and found nothing."""


def _take(f: Frame, step: Step, value: Any, optional: bool) -> Any:
    key = step.key if step.index is None else step.index(f)
    found = find(value, key, step.is_field)
    if found is not MISSING:
        f[COST] += 1
        return True if step.test else found
    if optional:
        return ABSENT
    f[COST] += 1
    if step.test:
        return False
    raise missing(value, key)


MISSING = object()


def find(container: Any, key: Any, is_field: bool = False) -> Any:
    """The entry or element, MISSING when there is none. Raises EvaluationError for a key of the wrong kind."""
    if isinstance(container, dict):
        try:
            found = container[key]
        except KeyError:
            return MISSING
        except TypeError:
            raise no_overload() from None
        return MISSING if found is None and is_field else found
    if isinstance(container, list):
        index = _index(key)
        return container[index] if 0 <= index < len(container) else MISSING
    if isinstance(container, Opaque):
        return container.field(key) if isinstance(container, Fields) else MISSING
    return MISSING


def _index(key: Any) -> int:
    if isinstance(key, bool) or not isinstance(key, int | float):
        raise EvaluationError(f"unsupported index type '{type_name(key)}' in list")
    if key != int(key):
        raise EvaluationError(f"unsupported index value {shown(key)} in list")
    return int(key)


def missing(container: Any, key: Any) -> EvaluationError:
    if isinstance(container, list):
        return EvaluationError(f"index out of bounds: {shown(key)}")
    return EvaluationError(f"no such key: {shown(key)}")


class Fields(Opaque):
    """An opaque value that has fields."""

    __slots__ = ()

    def field(self, name: Any) -> Any:
        return MISSING
