"""Expressions give what Kubernetes' own environment gives: faults, costs before and after, values and errors.

`answers.jsonl` was recorded with `scripts/cel-oracle`; `inputs.json` holds the variables: `d` of any type, and
`self`, a custom resource with a schema.
"""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from umiak.objects.cel import times, types
from umiak.objects.cel.declared import Declarations, of_schema
from umiak.objects.cel.environment import PER_CALL_LIMIT, Environment
from umiak.objects.cel.errors import CompileError, EvaluationError, InstantiationError
from umiak.objects.cel.values import NONE, Duration, Opaque, Optional, Timestamp, TypeValue, Uint
from umiak.objects.go_text import float_g, quoted

HERE = Path(__file__).parent
CASES = [json.loads(line) for line in (HERE / "answers.jsonl").read_text().splitlines()]


@cache
def prepared(use: str) -> tuple[Environment, dict[str, Any]]:
    inputs = json.loads((HERE / "inputs.json").read_text())
    if use == "vars":
        return Environment({"d": types.DYN}), inputs["vars"]
    declared = of_schema(inputs["schema"], "selfType", is_root=True)
    return Environment({"self": declared.type}, Declarations(root=declared)), {"self": declared.value(inputs["self"])}


def shown(value: Any) -> str:
    """As the oracle prints a value, so that its type shows."""
    match value:
        case None:
            return "NULL_VALUE"
        case bool():
            return str(value).lower()
        case Uint():
            return f"{int(value)}u"
        case str():
            return quoted(value)
        case bytes():
            return "b" + value.hex()
        case float():
            special = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
            return f"double({float_g(value) if math.isfinite(value) else special})"
        case Duration():
            return f"duration({go_duration(value.nanos)})"
        case Timestamp():
            return f"timestamp({times.show_timestamp(Timestamp(value.nanos))})"
        case Optional():
            return "optional.none" if value is NONE else f"optional({shown(value.value)})"
        case dict():
            return "{" + ", ".join(sorted(f"{shown(k)}: {shown(v)}" for k, v in value.items())) + "}"
        case list():
            return "[" + ", ".join(map(shown, value)) + "]"
        case TypeValue():
            return f"type({value.name})"
        case Opaque() if value.type_name.startswith("net."):
            return f"{value.type_name}({value})"
        case Opaque():
            return value.type_name
    return str(value)


def go_duration(nanos: int) -> str:
    sign, rest = "-" if nanos < 0 else "", abs(nanos)
    if rest and rest < 10**9:
        unit, name = next((u, n) for u, n in ((1, "ns"), (1000, "µs"), (10**6, "ms")) if rest < u * 1000)
        return f"{sign}{rest / unit:g}{name}"
    minutes, seconds = divmod(rest, 60 * 10**9)
    text = f"{seconds // 10**9}" + f".{seconds % 10**9:09}".rstrip("0").rstrip(".") + "s"
    hours, minutes = divmod(minutes, 60)
    return sign + (f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else "") + text


def answer(use: str, expression: str) -> dict[str, Any]:
    environment, bindings = prepared(use)
    try:
        program = environment.compile(expression)
    except CompileError as error:
        return {"issues": str(error), "min": 0, "max": 0}
    except InstantiationError as error:
        return {"error": f"program: {error}"}
    least, most = program.estimated_cost
    try:
        value, cost = program.measured(bindings, PER_CALL_LIMIT)
    except EvaluationError as error:
        return {"error": str(error), "min": least, "max": most}
    return {"value": shown(value), "cost": cost, "min": least, "max": most}


@pytest.mark.parametrize("case", CASES, ids=[case["expr"][:60] for case in CASES])
def test_answer(case):
    want, got = case["answer"], answer(case["use"], case["expr"])
    if want.get("error", "").startswith("program: "):
        want = {"error": want["error"]}
    assert got == want
