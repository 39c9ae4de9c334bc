"""Cluster roles made of others."""

from umiak.controllers.clusterrole_aggregation import aggregated
from umiak.objects.types import Object


def role(name: str, *verbs: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "rules": [{"verbs": [v]} for v in verbs]}


def test_rules_of_all_that_match_by_name_and_once() -> None:
    selectors = [{"matchLabels": {"to": "view"}}, {"matchLabels": {"to": "edit"}}]
    whole = {**role("whole", "old", to="view"), "aggregationRule": {"clusterRoleSelectors": selectors}}
    others = [
        role("c", "get", to="edit"),
        role("b", "list", "get", to="view"),
        role("a", "watch", to="view"),
        role("d", "x"),
    ]
    assert [r["verbs"][0] for r in aggregated(whole, [whole, *others])] == ["watch", "list", "get"]
