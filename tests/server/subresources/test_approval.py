"""Approving a certificate request changes conditions and nothing else."""

from umiak.api.certificates.certificatesigningrequest import KIND
from umiak.server.subresources.approval import prepare


def test_only_conditions_change() -> None:
    """Conformance: `CSR API operations` patches a condition of its own making."""
    old = {"spec": {"signerName": "a"}, "status": {"certificate": "AA=="}}
    conditions = [{"type": "ApprovalPatch", "status": "True"}]
    new = {"spec": {"signerName": "b"}, "status": {"certificate": "BB==", "conditions": conditions}}
    prepare(KIND, new, old)
    assert new == {"spec": {"signerName": "a"}, "status": {"certificate": "AA==", "conditions": conditions}}
