"""Managers of replicas, seen from the scale."""

from umiak.api import registry
from umiak.server.managed_fields.replicas import to_parent, to_scale

DEPLOYMENT = registry.find("apps/v1", "Deployment")
PATH = ("f:spec", "f:replicas")


def entry(manager, fields, operation="Apply", version="apps/v1", time="2026-01-01T00:00:00Z", **more):
    found = {"manager": manager, "operation": operation, "apiVersion": version}
    return {**found, **({"time": time} if time else {}), "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


BOTH = entry("dev", {"f:spec": {"f:replicas": {}, "f:paused": {}}})
OTHER = entry("ops", {"f:metadata": {"f:labels": {"f:a": {}}}})
SCALED = {"f:spec": {"f:replicas": {}}}


def test_only_who_has_the_replicas_is_seen():
    assert to_scale(PATH, [BOTH, OTHER]) == [entry("dev", SCALED, version="autoscaling/v1")]


def test_nothing_happened():
    assert to_parent(DEPLOYMENT, PATH, [BOTH, OTHER], to_scale(PATH, [BOTH, OTHER])) == [BOTH, OTHER]


def test_replicas_taken():
    hpa = entry("hpa", SCALED, "Update", "autoscaling/v1", subresource="scale")
    assert to_parent(DEPLOYMENT, PATH, [BOTH, OTHER], [hpa]) == [
        entry("dev", {"f:spec": {"f:paused": {}}}),
        OTHER,
        entry("hpa", SCALED, "Update", time="", subresource="scale"),
    ]


def test_who_had_nothing_else_is_gone():
    assert to_parent(DEPLOYMENT, PATH, [entry("dev", SCALED)], []) == []
