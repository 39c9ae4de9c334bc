"""Node selectors and taints: whether a pod wants a node and may stay on it (k8s.io/component-helpers)."""

from collections.abc import Callable, Iterable, Mapping

from umiak.objects.types import Object

_TESTS: dict[str, Callable[[str | None, list[str]], bool]] = {
    "In": lambda value, values: value is not None and value in values,
    "NotIn": lambda value, values: value is None or value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
    "Gt": lambda value, values: _greater(value, values[0]),
    "Lt": lambda value, values: value is not None and _greater(values[0], value),
}


def _greater(a: str | None, b: str) -> bool:
    try:
        return a is not None and int(a) > int(b)
    except ValueError:
        return False


def term_matches(term: Object, labels: Mapping[str, str], name: str) -> bool:
    """One NodeSelectorTerm. A term with neither expressions nor fields matches nothing."""
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    by_label = all(_TESTS[e["operator"]](labels.get(e["key"]), e.get("values") or []) for e in expressions)
    return by_label and all(
        f["key"] == "metadata.name" and _TESTS[f["operator"]](name, f.get("values") or []) for f in fields
    )


def terms_match(terms: Iterable[Object], labels: Mapping[str, str], name: str) -> bool:
    return any(term_matches(term, labels, name) for term in terms)


def required_terms(spec: Object) -> list[Object] | None:
    """The pod's required node affinity; None when it has none."""
    node_affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return None if required is None else required.get("nodeSelectorTerms") or []


def wants(spec: Object, labels: Mapping[str, str], name: str) -> bool:
    """Whether nodeSelector and required node affinity of a pod allow a node."""
    selector = spec.get("nodeSelector")
    if selector and any(labels.get(k) != v for k, v in selector.items()):
        return False
    terms = required_terms(spec)
    return terms is None or terms_match(terms, labels, name)


def tolerates(toleration: Object, taint: Object) -> bool:
    """An empty effect or key in a toleration stands for any."""
    if toleration.get("effect") and toleration["effect"] != taint.get("effect"):
        return False
    if toleration.get("key") and toleration["key"] != taint.get("key"):
        return False
    operator = toleration.get("operator") or "Equal"
    if operator == "Exists":
        return True
    own, other = toleration.get("value") or "", taint.get("value") or ""
    if operator == "Gt":
        return _greater(other, own)
    if operator == "Lt":
        return _greater(own, other)
    return bool(own == other)


def untolerated(taints: Iterable[Object], tolerations: Iterable[Object], effects: Iterable[str]) -> Object | None:
    """The first taint with one of `effects` that no toleration covers."""
    tolerations, effects = list(tolerations), set(effects)
    for taint in taints:
        if taint.get("effect") in effects and not any(tolerates(t, taint) for t in tolerations):
            return taint
    return None
