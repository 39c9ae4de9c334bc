"""Values as the reference prints them in events and conditions."""

from umiak.objects.types import Object


def selector_text(selector: Object | None) -> str:
    """A label selector as Go prints it."""
    if selector is None:
        return "nil"
    labels = "".join(f"{k}: {v}," for k, v in sorted((selector.get("matchLabels") or {}).items()))
    wanted = "".join(map(_requirement_text, selector.get("matchExpressions") or ()))
    return (
        f"&LabelSelector{{MatchLabels:map[string]string{{{labels}}},"
        f"MatchExpressions:[]LabelSelectorRequirement{{{wanted}}},}}"
    )


def _requirement_text(wanted: Object) -> str:
    values = " ".join(wanted.get("values") or ())
    return f"LabelSelectorRequirement{{Key:{wanted['key']},Operator:{wanted['operator']},Values:[{values}],}},"
