"""What nobody manages through which path."""

import pytest

from umiak.api import registry
from umiak.server.managed_fields.reset import filter_of

FIELDS = {
    "f:metadata": {"f:labels": {".": {}, "f:a": {}}, "f:ownerReferences": {}},
    "f:spec": {"f:x": {}},
    "f:status": {"f:conditions": {}, "f:certificate": {}},
}
META, SPEC, STATUS = ({name: FIELDS[name]} for name in FIELDS)


@pytest.mark.parametrize(
    ("api_version", "kind", "subresource", "wanted"),
    [
        ("v1", "Pod", "", META | SPEC),
        ("v1", "Pod", "status", {"f:metadata": {"f:labels": FIELDS["f:metadata"]["f:labels"]}} | STATUS),
        ("v1", "Pod", "resize", FIELDS),
        ("v1", "ConfigMap", "", FIELDS),
        ("apps/v1", "Deployment", "status", {"f:metadata": {"f:ownerReferences": {}}} | STATUS),
        ("apps/v1", "StatefulSet", "status", META | STATUS),
        ("resource.k8s.io/v1", "ResourceClaim", "status", STATUS),
        ("certificates.k8s.io/v1", "CertificateSigningRequest", "", META),
        ("certificates.k8s.io/v1", "CertificateSigningRequest", "status", META | {"f:status": {"f:certificate": {}}}),
        ("certificates.k8s.io/v1", "CertificateSigningRequest", "approval", META | {"f:status": {"f:conditions": {}}}),
        ("v1", "Namespace", "finalize", META | SPEC),
    ],
)
def test_filter(api_version, kind, subresource, wanted):
    chosen = filter_of(registry.find(api_version, kind), subresource)
    assert (chosen(FIELDS) if chosen else FIELDS) == wanted
