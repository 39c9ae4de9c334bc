"""PodCertificateRequest: a node asks for a certificate of a pod."""

from typing import Any

from umiak.api.common.cells import NAME, column, reads, shows_labels
from umiak.api.common.strategy import keep_status, nothing_but_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.types import Object


def default(obj: Object) -> None:
    spec = obj.setdefault("spec", {})
    if spec.get("maxExpirationSeconds") is None:
        spec["maxExpirationSeconds"] = 86400


def state(obj: Object, now: float) -> Any:
    """The last of its verdicts."""
    found = [c.get("type") for c in (obj.get("status") or {}).get("conditions") or ()]
    return next((t for t in reversed(found) if t in ("Issued", "Denied", "Failed")), "Pending")


_SPEC = "PodCertificateRequestSpec"

KIND = builtin(
    "certificates.k8s.io/v1",
    "PodCertificateRequest",
    default=default,
    prepare_create=reset_status,
    prepare_update=keep_status,
    prepare_status=nothing_but_status,
    columns=(
        NAME,
        column("PodName", reads("spec", "podName"), f"{_SPEC}.podName"),
        column("ServiceAccountName", reads("spec", "serviceAccountName"), f"{_SPEC}.serviceAccountName"),
        column("NodeName", reads("spec", "nodeName"), f"{_SPEC}.nodeName"),
        column("SignerName", reads("spec", "signerName"), f"{_SPEC}.signerName"),
        column("State", state, "Is the request Pending, Issued, Denied, or Failed?"),
        column(
            "UnverifiedUserAnnotations",
            shows_labels("spec", "unverifiedUserAnnotations"),
            f"{_SPEC}.unverifiedUserAnnotations",
        ),
    ),
    selectable={
        "spec.signerName": lambda obj: (obj.get("spec") or {}).get("signerName") or "",
        "spec.podName": lambda obj: (obj.get("spec") or {}).get("podName") or "",
        "spec.nodeName": lambda obj: (obj.get("spec") or {}).get("nodeName") or "",
    },
    updates_unconditionally=False,
)
