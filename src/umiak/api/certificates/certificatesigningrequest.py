"""CertificateSigningRequest: a wish for a certificate."""

from typing import Any

from umiak.api.common.cells import AGE, NAME, NONE, column, human_duration, or_else, reads
from umiak.api.common.strategy import keep_status, only_status, reset_status
from umiak.api.registry import builtin
from umiak.objects.types import Object


def prepare_update(new: Object, old: Object) -> None:
    """The request itself never changes."""
    keep_status(new, old)
    new["spec"] = old["spec"]


def requested_duration(obj: Object, now: float) -> Any:
    seconds = (obj.get("spec") or {}).get("expirationSeconds")
    return NONE if seconds is None else human_duration(seconds)


def state(obj: Object, now: float) -> Any:
    status = obj.get("status") or {}
    types = {c.get("type") for c in status.get("conditions") or ()}
    text = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    text += ",Failed" if "Failed" in types else ""
    return text + (",Issued" if status.get("certificate") else "")


KIND = builtin(
    "certificates.k8s.io/v1",
    "CertificateSigningRequest",
    prepare_create=reset_status,
    prepare_update=prepare_update,
    prepare_status=only_status,
    columns=(
        NAME,
        AGE,
        column("SignerName", or_else("spec", "signerName", otherwise=NONE), "CertificateSigningRequestSpec.signerName"),
        column("Requestor", reads("spec", "username"), "CertificateSigningRequestSpec.request"),
        column("RequestedDuration", requested_duration, "CertificateSigningRequestSpec.expirationSeconds"),
        column("Condition", state, "CertificateSigningRequestStatus.conditions"),
    ),
    selectable={"spec.signerName": lambda obj: (obj.get("spec") or {}).get("signerName") or ""},
)
